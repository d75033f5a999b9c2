"""Names of columns, in the order in which they are looked for, and how names are listed for people."""

from collections.abc import Sequence

TEXT_NAMES = ("text", "sentence", "content", "review", "utterance", "query", "message", "body")
# First and second text, as the pair sets of GLUE and others name them.
PAIR_NAMES = (
    ("sentence1", "sentence2"),
    ("premise", "hypothesis"),
    ("question1", "question2"),
    ("question", "sentence"),
    ("question", "context"),
    ("text1", "text2"),
    ("text_a", "text_b"),
    ("text", "text_pair"),
)
LABEL_NAMES = ("label", "labels", "intent", "class", "category", "target")

_SHOWN = 8


def first_of(names: Sequence[str]) -> str:
    """The names as a list for people: the first eight of many, and how many there are."""
    return ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
