"""Data sets whose rows are a question, a context and the answers that stand in it, as SQuAD and CMRC 2018 have them."""

from dataclasses import dataclass

import datasets

from compress.errors import DataError
from compress.tasks.answer_places import Span, padded_spans, placed, told_answers
from compress.tasks.interface import Columns, Fault, Labels


@dataclass(frozen=True)
class AnswerRows:
    """One split as it was read."""

    spans: list[
        list[Span] | None
    ]  # of each row; empty where there is no answer, None where all were left out


@dataclass(frozen=True)
class AnswerSpace:
    """A `LabelSpace`: two outputs, which stand for no labels."""

    names: tuple[str, ...] | None = None
    count: int = 2

    def ids(self, raw: AnswerRows, split: str) -> Labels:  # noqa: ARG002
        """See `padded_spans`."""
        return padded_spans(raw.spans)


def read_answers(data: datasets.Dataset, columns: Columns, split: str, *, leave_out: bool) -> AnswerRows:
    """Where the answers of each row stand; raises `DataError` for one that does not stand where it is said to.

    With `leave_out` such answers are left out, and the rows that have no others.
    """
    assert isinstance(columns.label, str)
    assert columns.text_pair is not None
    found: list[list[Span] | None] = []
    wrong: list[tuple[int, Fault]] = []
    rows = zip(data[columns.text_pair], data[columns.label], strict=True)
    for number, (context, cell) in enumerate(rows, start=1):
        try:
            said = told_answers(cell)
        except Fault as fault:
            raise DataError(
                f"row {number} of {split} holds {fault.found}", fault.expected, fault.remedy or ""
            ) from None
        spans = []
        for text, start in said:
            try:
                spans.append(placed(context, text, start))
            except Fault as fault:
                wrong.append((number, fault))
        found.append(None if said and not spans else spans)
    if wrong and not leave_out:
        number, first = wrong[0]
        more = f" ({len(wrong):,} answers of {split} are misplaced)" if len(wrong) > 1 else ""
        raise DataError(
            f"row {number} of {split}: {first.found}{more}",
            first.expected,
            "mend those rows, or set data.misplaced_answers: leave_out to do without those answers, and without the "
            "rows that have no others",
        )
    return AnswerRows(found)
