"""Tagging schemes: which one a data set has, and its tags as IOB2, which is what models learn and seqeval scores.

Ramshaw and Marcus, "Text Chunking using Transformation-Based Learning" (1995); Tjong Kim Sang and Veenstra,
"Representing Text Chunks" (1999).
"""

from collections.abc import Iterable, Sequence
from typing import Literal

from compress.errors import DataError

Scheme = Literal["IOB2", "IOB1", "IO", "IOE", "IOBES", "BILOU", "BMES"]
OUTSIDE = "O"
_BEGINS, _ENDS = frozenset("BSU"), frozenset("ESLU")
_BY_PREFIXES: tuple[tuple[frozenset[str], Scheme], ...] = (
    (frozenset("I"), "IO"),
    (frozenset("BI"), "IOB2"),
    (frozenset("IE"), "IOE"),
    (frozenset("BIES"), "IOBES"),
    (frozenset("BILU"), "BILOU"),
    (frozenset("BMES"), "BMES"),
)
_SHOWN = 8


def split_tag(tag: str) -> tuple[str, str]:
    """Prefix and type; both empty outside of entities."""
    return ("", "") if tag == OUTSIDE else (tag[:1], tag[2:])


def scheme_of(names: Iterable[str], rows: Sequence[Sequence[str]]) -> Scheme:
    """The scheme of these tags; `rows` tell IOB1 from IOB2, which have the same names. Raises `DataError`."""
    names = sorted({*names})
    tags = [name for name in names if name != OUTSIDE]
    prefixes = {name[0] for name in tags if name[1:2] == "-" and name[2:]}
    fitting = next((scheme for known, scheme in _BY_PREFIXES if prefixes <= known), None)
    plain = [name for name in tags if name[1:2] != "-" or not name[2:]]
    if plain or fitting is None or not tags:
        raise DataError(
            f"the tags {_listed(names)} are no tagging scheme"
            + (f": {plain[0]!r} does not say whether an entity begins there or goes on" if plain else ""),
            "O for words outside of entities, and B-TYPE and I-TYPE for those in one (IOB2; IOB1, IO, IOBES, BILOU "
            "and BMES are read too)",
            "name the tags so, with data.labels where the data has numbers; for one label per text take "
            "task: text-classification",
        )
    return "IOB1" if fitting == "IOB2" and _is_iob1(rows) else fitting


def _is_iob1(rows: Sequence[Sequence[str]]) -> bool:
    """Some entity begins with I, and B stands only where an entity follows one of its own type."""
    begun_by_i = False
    for row in rows:
        before = ""
        for tag in row:
            prefix, kind = split_tag(tag)
            if prefix == "B" and kind != before:
                return False
            begun_by_i |= prefix == "I" and kind != before
            before = kind
    return begun_by_i


def as_iob2(tags: Sequence[str]) -> list[str]:
    """The same entities, of any of the schemes but IOB2 itself, whose tags stay as they are."""
    found = []
    ended, before = True, ""
    for tag in tags:
        prefix, kind = split_tag(tag)
        if kind:
            begins = ended or kind != before or prefix in _BEGINS
            found.append(f"{'B' if begins else 'I'}-{kind}")
        else:
            found.append(OUTSIDE)
        ended, before = prefix in _ENDS, kind
    return found


def iob2_names(tags: Iterable[str]) -> tuple[str, ...]:
    """O, then B and I of every type, the types in alphabetical order."""
    kinds = sorted({split_tag(tag)[1] for tag in tags} - {""})
    return (OUTSIDE, *(f"{prefix}-{kind}" for kind in kinds for prefix in "BI"))


def _listed(names: Sequence[str]) -> str:
    return ", ".join(names[:_SHOWN]) + (f", ... ({len(names)} in all)" if len(names) > _SHOWN else "")
