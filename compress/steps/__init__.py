"""The steps of a run, each kept on disk by what it was made from."""
