"""The commands of `compress`. Each imports its own stack when it is called, so that help answers at once."""
