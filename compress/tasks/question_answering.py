"""Extractive question answering: a question is answered with a part of its context.

The data has questions, contexts and answers with the places where they begin, as SQuAD has them; of a row without an
answer the answer is that there is none. Scores are SQuAD's F1 and exact match, of Chinese contexts those of CMRC 2018;
agreement with the teacher is the share of rows with the very same part of the context.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from compress.data.rows import NO_LABEL, Rows
from compress.errors import DataError, ModelError
from compress.judge.answer_texts import EXACT_MATCH, F1
from compress.tasks.answer_files import AnswerTelling
from compress.tasks.answer_judging import AnswerJudging, unanswerable
from compress.tasks.answer_training import AnswerTraining
from compress.tasks.interface import Bools, Columns, Labels, LabelSpace, Named, Raw
from compress.tasks.task import Task
from serve.tasks import Answering
from serve.tasks import QuestionAnswering as Answers

if TYPE_CHECKING:
    import datasets


@dataclass(frozen=True)
class QuestionAnswering(AnswerTraining, AnswerJudging, AnswerTelling, Task):
    """Labels are (rows, answers, 2): first character and the one after the last; (0, 0) where there is none.

    They are padded with `NO_LABEL`. Logits and soft targets are (windows, tokens, 2), for begin and end, NaN where an
    example is shorter; losses see them as rows over tokens, (2 windows, tokens). Answers are (rows, 3): first
    character, the one after the last, and how sure.
    """

    leaves_out: bool = False  # answers that do not stand where they are said to

    name: ClassVar[str] = "question-answering"
    head: ClassVar[str] = "QuestionAnswering"
    answers_as: ClassVar[type[Answering]] = Answers
    metrics: ClassVar[tuple[str, ...]] = (F1, EXACT_MATCH)
    agreement_metric: ClassVar[str] = F1
    agreement_means: ClassVar[str] = "rows with the very same part of the context as the teacher"
    perturbations: ClassVar[tuple[str, ...]] = ()
    label_columns: ClassVar[tuple[str, ...]] = ("answers", "answer")
    head_in_words: ClassVar[str] = "question answering head"
    names_outputs: ClassVar[bool] = False
    output_names: ClassVar[tuple[str, ...]] = ("start", "end")
    unlabelled_means: ClassVar[str] = "no row has an answer"
    tunes: ClassVar[str] = "how long an answer may be, and when there is none"

    def check_head(self, model: str, outputs: Sequence[str], problem_type: str | None) -> None:
        """See `Task`: two outputs, for begin and end."""
        if len(outputs) == len(self.output_names):
            return
        raise ModelError(
            f"{model} has {len(outputs)} outputs",
            "a model with two outputs for each token, for begin and end of the answer",
            "take a model that was fine-tuned on questions and answers, or fine-tune it here with teacher.train",
        )

    # The data

    def reading(self, *, leaves_out: bool) -> QuestionAnswering:
        """See `Task`."""
        return replace(self, leaves_out=leaves_out)

    def read_inputs(self, data: datasets.Dataset, columns: Columns, split: str) -> list[Any]:
        """Questions with their contexts."""
        if columns.text_pair is None:
            raise DataError(
                f"data.columns names {columns.text!r} as text, and no text_pair",
                "a column of questions and one of contexts, for task: question-answering",
                "set data.columns: {text: question, text_pair: context, label: answers}",
            )
        return super().read_inputs(data, columns, split)

    def read_labels(self, data: datasets.Dataset, columns: Columns, split: str) -> Raw:
        """Where answers stand."""
        from compress.data.answer_rows import read_answers
        from compress.data.columns import one_label_column

        one_label_column(columns)
        return read_answers(data, columns, split, leave_out=self.leaves_out)

    def is_unlabelled(self, raw: Raw) -> bool:
        """See `Task`: no row has an answer."""
        return not any(raw.spans)

    def label_space(self, named: Named, raw: dict[str, Raw]) -> LabelSpace:
        """See `Task`: answers have no names."""
        from compress.data.answer_rows import AnswerSpace

        if named.recipe is not None:
            raise DataError(
                f"data.labels names {len(named.recipe)} labels, and answers are parts of their contexts",
                "no names of labels",
                "take data.labels out",
            )
        return AnswerSpace()

    def known_space(self, raw: Raw, names: tuple[str, ...] | None, count: int) -> LabelSpace:
        """See `Task`."""
        from compress.data.answer_rows import AnswerSpace

        return AnswerSpace()

    def kept(self, rows: Rows) -> Rows:
        """See `Task`: without rows all of whose answers were left out."""
        if rows.labels is None or self.has_label(rows.labels).all():
            return rows
        return rows.take(np.flatnonzero(self.has_label(rows.labels)))

    def check_labels(
        self, parts: dict[str, Rows], names: tuple[str, ...] | None, *, declared: bool
    ) -> list[str]:
        """See `Task`: answers to learn from, and rows without one in each split or in none."""
        without = {
            part: int(unanswerable(rows.labels).sum())
            for part, rows in parts.items()
            if rows.labels is not None
        }
        if without["train"] == len(parts["train"]):
            raise DataError(
                "no row of train has an answer", "answers to learn from", "check data.columns.label"
            )
        if not any(without.values()):
            return []
        told = ", ".join(f"{count:,} of {len(parts[part]):,} in {part}" for part, count in without.items())
        notes = [f"rows without an answer: {told}"]
        if not all(without.values()):
            notes.append(
                "whether a context has the answer can be learnt only where every split has such rows"
            )
        return notes

    def no_labels(self, like: Labels, rows: int) -> Labels:
        """See `Task`."""
        return np.full((rows, *like.shape[1:]), NO_LABEL, dtype=like.dtype)

    def has_label(self, labels: Labels) -> Bools:
        """See `Task`."""
        return np.asarray(labels[:, 0, 0] >= 0)
