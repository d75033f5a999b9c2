"""Words with tags in files that are read without the training stack: evaluation.jsonl, and files of a user."""

from collections.abc import Mapping, Sequence
from typing import Any

from compress.data.names import first_of
from compress.data.tag_schemes import as_iob2, scheme_of
from compress.errors import DataError
from compress.tasks.interface import Fault
from compress.tasks.label_cells import cell_labels
from compress.tasks.words import joined, words_of


def tell_words(label: Any, labels: Sequence[str]) -> list[list[Any]]:
    """Of every word first and last character, and tag; `label` is (words, 3)."""
    return [[start, end, labels[tag]] for start, end, tag in label.tolist() if start >= 0]


def read_words(told: Any, labels: Sequence[str]) -> list[tuple[int, int, int]]:
    """As `tell_words` told it; raises `Fault`."""
    tags = {label: number for number, label in enumerate(labels)}
    if not isinstance(told, list) or not all(_is_word(one, tags) for one in told):
        raise Fault(
            f" has the label {str(told)[:60]!r}",
            f"[start, end, tag] for each word, with tags among {first_of(labels)}",
        )
    return [(start, end, tags[tag]) for start, end, tag in told]


def joined_row(row: Mapping[str, object], text: str, label: str | None) -> Mapping[str, object]:
    """A row of a user's file with its words joined, and each tag with the place of its word; raises `Fault`.

    A text that is none of a list of words stays as it is: then nothing says which tag is whose.
    """
    cell = row.get(text)
    if isinstance(cell, str) and not cell.lstrip().startswith("["):
        return row
    asked, spans = joined(words_of(cell))
    if label is None:
        return {**row, text: asked}
    tags = cell_labels(row.get(label))
    if len(tags) != len(spans):
        raise Fault(f"{len(spans)} words and {len(tags)} tags", "a tag for each word", "mend the row")
    return {**row, text: asked, label: [[*span, tag] for span, tag in zip(spans, tags, strict=True)]}


def parse_words(cell: Any, labels: Sequence[str], names: Mapping[str, str]) -> list[tuple[int, int, int]]:
    """What `joined_row` made of a label; `names` by number. Raises `Fault`."""
    if not isinstance(cell, list) or not all(isinstance(one, list) and len(one) == 3 for one in cell):
        raise Fault(
            "tags without words",
            "a list of words and a list of tags in each row",
            "name both columns as the recipe's data.columns does",
        )
    tags = [names.get(str(tag), str(tag)) for _, _, tag in cell]
    try:
        # One row is too little to tell IOB1 by, which has the names of IOB2.
        if {*tags} != {"O"} and scheme_of(tags, [tags]) not in {"IOB2", "IOB1"} and not {*tags} <= {*labels}:
            tags = as_iob2(tags)
    except DataError as error:
        raise Fault(f"the tags {', '.join(tags[:8])}", error.expected, error.remedy) from None
    return read_words([[start, end, tag] for (start, end, _), tag in zip(cell, tags, strict=True)], labels)


def _is_word(one: Any, tags: Mapping[str, int]) -> bool:
    return (
        isinstance(one, list | tuple)
        and len(one) == 3
        and all(type(number) is int and number >= 0 for number in one[:2])
        and isinstance(one[2], str)
        and one[2] in tags
    )
