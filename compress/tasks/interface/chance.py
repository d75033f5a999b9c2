"""What a teacher must show more than."""

from math import sqrt

_LEAST, _ENOUGH = 0.05, 0.5  # of a correlation that is 0 for guessing


def knows_more_than_chance(correlation: float, rows: int) -> bool:
    """A correlation that is 0 for guessing is two standard errors above it, and 0.05; half of 1 is always enough."""
    return correlation >= min(max(_LEAST, 2 / sqrt(rows)), _ENOUGH)
