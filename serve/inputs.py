"""What a model is asked: a text, or a pair of texts that it reads together, as in paraphrase or entailment."""

from collections.abc import Callable

Pair = tuple[str, str]
Input = str | Pair


def parts(asked: Input) -> tuple[str, ...]:
    """The text, or both."""
    return (asked,) if isinstance(asked, str) else asked


def characters(asked: Input) -> int:
    """Of both together."""
    return sum(map(len, parts(asked)))


def joined(asked: Input, between: str = " ") -> str:
    """As one text, for what counts words and for people to read."""
    return between.join(parts(asked))


def changed(asked: Input, change: Callable[[str], str]) -> Input:
    """Each of its texts changed in the same way."""
    return change(asked) if isinstance(asked, str) else (change(asked[0]), change(asked[1]))
