"""Words with tags in files that are read without the training stack: evaluation.jsonl, and files of a user."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from compress.data.names import first_of
from compress.data.tag_schemes import as_iob2, scheme_of
from compress.errors import DataError
from compress.tasks.interface import Fault, Floats, Labels, TellingPart
from compress.tasks.label_cells import cell_labels
from compress.tasks.tagged_answers import padded, read, tell
from compress.tasks.words import joined, padded_words, words_of


class TagTelling(TellingPart):
    """Labels are words with their places and tags, answers pieces and the entities that they make."""

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """See `Task`."""
        return padded_words(labels)

    def gathered_answers(self, answers: Sequence[Any]) -> Floats:
        """See `Task`."""
        return padded([np.array(row, dtype=np.float64).reshape(-1, 5) for row in answers])

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """Of every word first and last character, and tag."""
        return tell_words(label, labels)

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        return read_words(told, labels)

    def file_row(
        self, row: Mapping[str, object], text: str, label: str | None, text_pair: str | None = None
    ) -> Mapping[str, object]:
        """See `Task`: words joined, and tags with the places of their words."""
        return joined_row(row, text, label)

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """What `file_row` made."""
        return parse_words(cell, labels, names)

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """The entities, and the pieces of words with a tag."""
        return tell(answer, labels)

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`; the entities must be those of the pieces."""
        return read(told, labels)


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
