"""The parts of the page, a tab each: what lies where, and what happens when something is pressed."""
