"""What every exported file must show before it counts."""


class ProofError(Exception):
    """An exported file does not do what the model does that it came from. Exit code 3, no bundle."""
