"""Data sets whose rows are words, each with a tag: read, joined to texts, gathered, checked.

A model is asked texts, so the words are joined with a space, and each is known by its first and last character there.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import datasets
import numpy as np

from compress.data.rows import Rows
from compress.data.tag_schemes import OUTSIDE, Scheme, as_iob2, iob2_names, scheme_of, split_tag
from compress.errors import DataError
from compress.tasks.interface import Columns, Fault, Labels, Named
from compress.tasks.label_cells import cell_labels
from compress.tasks.word_pieces import Span
from compress.tasks.words import joined, padded_words, words_of
from serve.encoding import check_text
from serve.errors import InputError
from serve.inputs import Input


@dataclass(frozen=True)
class TaggedWords:
    """One split as it was read."""

    spans: list[list[Span]]  # of each row's words
    tags: list[list[Any]]  # names, or numbers


@dataclass(frozen=True)
class Tags:
    """The tags of a data set, a `LabelSpace`: IOB2, whatever the data's scheme."""

    names: tuple[str, ...]
    numbered: tuple[str, ...] | None  # what the data's numbers mean
    scheme: Scheme

    @property
    def count(self) -> int:
        """Outputs that a model for them has."""
        return len(self.names)

    def ids(self, raw: TaggedWords, split: str) -> Labels:
        """First and last character of every word and its tag, int32 (rows, words of the longest, 3)."""
        place = {name: number for number, name in enumerate(self.names)}
        found = []
        for row, read in enumerate(named_tags(raw, self.numbered, split), start=1):
            tags = read if self.scheme == "IOB2" else as_iob2(read)
            if unknown := [tag for tag in tags if tag not in place]:
                raise DataError(
                    f"row {row} of {split} has the tag {unknown[0]!r}",
                    f"one of {', '.join(self.names[:8])}",
                    "mend the tags, or list every one in data.labels",
                )
            found.append([(*span, place[tag]) for span, tag in zip(raw.spans[row - 1], tags, strict=True)])
        return padded_words(found)


def read_word_texts(data: datasets.Dataset, columns: Columns, split: str) -> list[Input]:
    """The words of each row as one text; raises `DataError`."""
    return [text for text, _ in _joined_rows(data, columns, split)]


def read_tagged_words(data: datasets.Dataset, columns: Columns, split: str) -> TaggedWords:
    """Where each row's words stand in its text, and their tags; raises `DataError`."""
    if not isinstance(columns.label, str):
        raise DataError(
            f"data.columns.label names the columns {', '.join(columns.label or ())}",
            "one column, with a list of tags in each row",
            "name one of them",
        )
    spans = [spans for _, spans in _joined_rows(data, columns, split)]
    tags: list[list[Any]] = []
    for row, (cell, words) in enumerate(zip(data[columns.label], spans, strict=True), start=1):
        try:
            found = cell_labels(cell)
        except Fault:
            found = None
        if found is None or any(isinstance(one, bool) or not isinstance(one, int | str) for one in found):
            raise DataError(
                f"row {row} of {split} holds {str(cell)[:60]!r} in the column {columns.label!r}",
                "a list of tags, one for each word, as names or numbers",
                "set data.columns.label to the column of tags",
            )
        if len(found) != len(words):
            raise DataError(
                f"row {row} of {split} has {len(words)} words and {len(found)} tags",
                "a tag for each word",
                "mend the row",
            )
        tags.append(found)
    return TaggedWords(spans, tags)


def _joined_rows(data: datasets.Dataset, columns: Columns, split: str) -> list[tuple[str, list[Span]]]:
    if columns.text not in data.column_names:
        raise DataError(
            f"the split {split} has the columns {', '.join(data.column_names)}",
            f"the column {columns.text!r}, which holds the words of the other splits",
            "mend the file, or leave the split out with data.splits",
        )
    if columns.text_pair is not None:
        raise DataError(
            f"data.columns.text_pair is {columns.text_pair!r}, and token-classification reads single texts",
            "one column of words",
            "take text_pair out",
        )
    if len(data) == 0:
        raise DataError(f"the split {split} has no rows", "rows", "check how the file was written")
    found = []
    for row, cell in enumerate(data[columns.text], start=1):
        place = f"row {row} of {split}"
        try:
            plain = columns.label is None and isinstance(cell, str)
            text, spans = (cell, []) if plain else joined(words_of(cell))
            check_text(text)
        except Fault as fault:
            raise DataError(
                f"{place} holds {fault.found} in the column {columns.text!r}",
                fault.expected,
                fault.remedy or "",
            ) from None
        except InputError as error:
            raise DataError(f"{place} holds {error.found}", error.expected, error.remedy) from None
        if not text.strip():
            raise DataError(f"{place} has no words", "a word in every row", "take the row out")
        found.append((text, spans))
    return found


def named_tags(raw: TaggedWords, numbered: Sequence[str] | None, split: str) -> list[list[str]]:
    """The tags by name; raises `DataError` for numbers that nothing names."""
    found: list[list[str]] = []
    for row, tags in enumerate(raw.tags, start=1):
        names = []
        for read in tags:
            tag = _number(read, numbered) if isinstance(read, str) and numbered else read
            if isinstance(tag, str):
                names.append(tag.strip())
            elif numbered is not None and 0 <= tag < len(numbered):
                names.append(numbered[tag])
            else:
                raise DataError(
                    f"row {row} of {split} has the tag {tag}"
                    + ("" if numbered else ", a number, and nothing says what numbers mean"),
                    "names such as O, B-PER, I-PER"
                    if numbered is None
                    else f"a number from 0 to {len(numbered) - 1}",
                    "name the tags in data.labels, or in a labels.json beside the data",
                )
        found.append(names)
    return found


def _number(tag: str, numbered: Sequence[str]) -> int | str:
    """The number that a string of digits is, where it is no name itself."""
    plain = tag.strip()
    return int(plain) if plain.isascii() and plain.isdigit() and plain not in numbered else tag


def gather_tags(named: Named, raw: Mapping[str, TaggedWords]) -> Tags:
    """The tags: names from the recipe, else the data's own, else `labels.json`, else those that stand in the rows."""
    inside = getattr(named.feature, "feature", None)
    from_feature = tuple(inside.names) if isinstance(inside, datasets.ClassLabel) else None
    numbered = named.recipe or from_feature or named.file
    rows = {part: named_tags(words, numbered, part) for part, words in raw.items()}
    used = {tag for part in rows.values() for tags in part for tag in tags}
    scheme = scheme_of({*used, *(numbered or ())}, rows["train"])
    all_tags = {*used, *(numbered or ())}
    names = iob2_names(all_tags)
    if numbered is not None and set(numbered) >= set(names if scheme != "IOB2" else used):
        names = tuple(numbered)
    return Tags(names, numbered, scheme)


def check_tags(parts: Mapping[str, Rows], names: Sequence[str]) -> list[str]:
    """Refuse splits without any entity; returns warnings of types that a split lacks."""
    kinds: dict[str, set[str]] = {}
    for part, rows in parts.items():
        if rows.labels is None:
            continue
        tags = np.unique(rows.labels[..., 2])
        kinds[part] = {split_tag(names[tag])[1] for tag in tags.tolist() if tag >= 0} - {""}
        if not kinds[part]:
            raise DataError(
                f"no word of {part} is in an entity: every tag is {OUTSIDE}",
                "rows with entities, to learn from and to judge by",
                "check data.columns.label, and whether the file was cut",
            )
    notes = []
    for part, found in kinds.items():
        if strange := sorted(found - kinds["train"]):
            notes.append(
                f"{part} has entities of {', '.join(strange[:8])}, which train lacks: they cannot be learnt"
            )
        if part == "test" and (lacking := sorted(kinds["train"] - found)):
            notes.append(f"{part} has no entity of {', '.join(lacking[:8])}: nothing can be said about them")
    return notes
