"""Every figure that a text shows, held against the document that it should come from."""

import re
from collections.abc import Iterator
from typing import Any

# Not inside a name (int8, fp32, p50, opset-23) or a path.
_NUMBER = re.compile(r"(?<![\w./-])[-+]?\d[\d,]*(?:\.\d+)?(?:e-?\d+)?(?![\w/]|\.\d|-\w)")


def shown(text: str) -> list[str]:
    """The numbers in a text."""
    return _NUMBER.findall(text)


def leaves(document: Any) -> Iterator[float]:
    """Every number in a document, those inside its strings and names among them."""
    if isinstance(document, dict):
        for name, value in document.items():
            yield from leaves(name)
            yield from leaves(value)
    elif isinstance(document, list | tuple):
        for value in document:
            yield from leaves(value)
    elif isinstance(document, str):
        yield from (float(number.replace(",", "")) for number in shown(document))
    elif isinstance(document, int | float) and not isinstance(document, bool):
        yield float(document)


def is_rounded(number: str, value: float) -> bool:
    """The number is this value, rounded as it is written."""
    plain = number.replace(",", "").lstrip("+")
    digits, _, exponent = plain.partition("e")
    half = 0.5 * 10.0 ** (int(exponent or 0) - len(digits.partition(".")[2]))
    return abs(float(plain) - value) <= half * (1 + 1e-9) + 1e-12


def unaccounted(text: str, document: Any, *others: float) -> list[str]:
    """The numbers in a text that are no figure of the document, nor its percentage, nor the rest to 100 %.

    `others` are what prose says besides: the 95 of an interval, sums.
    """
    found = list(leaves(document))
    values = [*found, *(100 * value for value in found), *(100 * (1 - value) for value in found), *others]
    values += [value / 10 ** (3 * thousands) for value in found for thousands in (1, 2) if value > 999]
    return [number for number in shown(text) if not any(is_rounded(number, value) for value in values)]
