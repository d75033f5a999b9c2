"""The offline quickstart: a support-desk data set made on the spot and a small teacher to train on it."""
