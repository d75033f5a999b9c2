"""The verdict again, from a bundle alone, on the machine that will serve: without torch and transformers."""
