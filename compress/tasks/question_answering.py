"""Extractive question answering: a question is answered with a part of its context.

The data has questions, contexts and answers with the places where they begin, as SQuAD has them; of a row without an
answer the answer is that there is none. Scores are SQuAD's F1 and exact match, of Chinese contexts those of CMRC 2018;
agreement with the teacher is the share of rows with the very same part of the context.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import NO_LABEL, Rows
from compress.errors import DataError, ModelError
from compress.judge.answer_texts import EXACT_MATCH, F1, answer_values
from compress.judge.metrics import score
from compress.tasks.answer_files import (
    padded_labels,
    parse_answers,
    read_answer,
    read_spans,
    tell_answer,
    tell_spans,
)
from compress.tasks.answer_tokens import (
    answer_labels,
    best_token_spans,
    carried_logits,
    counted_tokens,
    token_counts,
)
from compress.tasks.interface import (
    Bools,
    Columns,
    Floats,
    Labels,
    LabelSpace,
    Logits,
    Named,
    Raw,
    Reader,
    knows_more_than_chance,
)
from compress.tasks.task import Task
from compress.tasks.text_classification import SingleLabel
from compress.tasks.thresholds import best_cut
from compress.tasks.word_targets import padded_targets
from serve.tasks import Answer, Answering, Extraction, Tokens
from serve.tasks import QuestionAnswering as Answers
from serve.tasks.answering import Outputs
from serve.tasks.question_answering import ENDS, STARTS

if TYPE_CHECKING:
    import datasets
    from torch import Tensor

_LOSSES = SingleLabel()  # each begin and each end is a row of its own to them, and tokens are its labels
_KEPT = 0.99  # of the answers of the selection rows, which the longest answer is chosen for
_LONGEST = 30  # tokens of an answer by which checkpoints are selected, as in the scripts for SQuAD
START, END, SCORE = range(3)


@dataclass(frozen=True)
class QuestionAnswering(Task):
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
            part: int(_unanswerable(rows.labels).sum())
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

    # Training

    def read_logits(self, output: Any) -> Tensor:
        """(windows, tokens, 2)."""
        import torch

        return torch.stack([output.start_logits, output.end_logits], dim=-1)

    def soft_targets(self, outputs: Outputs) -> Logits:
        """See `Task`: (windows, tokens of the longest, 2)."""
        both = zip(outputs[STARTS], outputs[ENDS], strict=True)
        found = [np.stack([starts, ends], axis=-1) for starts, ends in both]
        return padded_targets(found) if found else np.empty((0, 0, 2), np.float32)

    def outputs_of_targets(self, targets: Logits) -> Outputs:
        """See `Task`."""
        rows = [row[~np.isnan(row).any(axis=-1)] for row in targets]
        return {STARTS: [row[:, 0] for row in rows], ENDS: [row[:, 1] for row in rows]}

    def average_probabilities(self, logits: Floats, shares: Floats) -> Floats:
        """See `Task`: of the tokens of each window."""
        known = ~np.isnan(logits)
        rows = np.moveaxis(np.where(known, logits, -np.inf), -2, -1)
        mean = np.moveaxis(_LOSSES.average_probabilities(rows, shares), -1, -2)
        return np.where(known.all(axis=0), mean, np.nan)

    def example_labels(self, asked: Sequence[Tokens], labels: Labels) -> Sequence[Any] | Labels:
        """A number for each token of a window; see `answer_labels`."""
        return answer_labels(asked, labels)

    def counted(self, asked: Sequence[Tokens], labels: Labels | None) -> list[list[int]]:
        """See `Task`: tokens of the context, and the first."""
        return counted_tokens(asked)

    def carried_over(
        self, asked: Sequence[Tokens], theirs: Sequence[Tokens], labels: Labels | None, targets: Logits
    ) -> Logits:
        """See `Task`: by the characters of the context."""
        return carried_logits(asked, theirs, targets)

    def gathered(self, batch: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """See `Task`: the token of each begin and end, and a teacher's logits as rows over tokens."""
        from compress.distill.spans import as_rows, label_rows

        found = dict(batch)
        if "counted" not in batch:
            return found
        if "labels" in batch:
            found["labels"] = label_rows(batch["labels"])
        if "teacher_logits" in batch:
            found["teacher_logits"] = as_rows(batch["teacher_logits"], batch["counted"].bool())
        return found

    def of_counted(self, logits: Tensor, batch: Mapping[str, Tensor]) -> Tensor:
        """See `Task`: (2 windows, tokens), what cannot be an answer masked."""
        from compress.distill.spans import as_rows

        return as_rows(logits, batch["counted"].bool()) if "counted" in batch else logits

    def hard_loss(self, logits: Tensor, labels: Tensor) -> Tensor:
        """Cross-entropy over tokens, mean over begins and ends; see `Task`."""
        return _LOSSES.hard_loss(logits, labels)

    def soft_loss(
        self,
        logits: Tensor,
        teacher_logits: Tensor,
        labels: Tensor | None,
        *,
        temperature: float,
        alpha: float,
        loss: Literal["kl", "mse"] = "kl",
    ) -> Tensor:
        """Hinton's soft targets over tokens, or squared differences of logits; see `Task`."""
        from compress.distill.spans import matched_rows

        if loss == "mse":
            return matched_rows(logits, teacher_logits, labels, alpha)
        return _LOSSES.soft_loss(logits, teacher_logits, labels, temperature=temperature, alpha=alpha)

    def own_loss(self, logits: Tensor, labels: Tensor | None) -> Tensor:
        """See `Task`: summed over begins and ends."""
        return _LOSSES.own_loss(logits, labels)

    def selection_score(self, metric: str, labels: Labels, logits: Logits) -> float:
        """F1 or exact match of tokens, mean over windows: texts are not at hand here. Labels are (windows, tokens)."""
        known = np.maximum(labels, 0)
        gold = (known & 1 > 0).argmax(axis=1), (known & 2 > 0).argmax(axis=1)
        given = best_token_spans(logits, labels >= 0, _LONGEST)
        if metric == EXACT_MATCH:
            return float(((gold[0] == given[0]) & (gold[1] == given[1])).mean())
        shared = np.minimum(gold[1], given[1]) - np.maximum(gold[0], given[0]) + 1
        sizes = [last - first + 1 for first, last in (gold, given)]
        # Where only one of them says that there is no answer, its token is none of the other's.
        return float((2 * np.maximum(shared, 0) / (sizes[0] + sizes[1])).mean())

    def labels_from_teacher(self, rows: Rows, logits: Logits, teacher: Reader) -> Labels:
        """See `Task`: the teacher's own answers."""
        answers = _answered(teacher, rows, logits, teacher.answering)
        return self.as_labels(self.stack(answers, teacher.labels))

    def examined(
        self, labels: Sequence[str], logits: Logits, rows: Rows, teacher: Reader
    ) -> tuple[str, float]:
        """The teacher's F1 on the selection rows that have an answer; raises `ModelError` where it is near guessing."""
        assert rows.labels is not None
        numbers = np.flatnonzero(~_unanswerable(rows.labels))
        if not len(numbers):
            return F1, self._value(F1, rows, logits, teacher)
        how = teacher.answering
        assert isinstance(how, Answers)
        answers = _answered(teacher, rows, logits, how.model_copy(update={"impossible": False}))
        values = self.marks(F1, self.stack(answers, labels), rows)[numbers]
        if not knows_more_than_chance(float(values.mean()), len(numbers)):
            raise ModelError(
                f"the teacher answers at chance: its F1 is {values.mean():.3f} on {len(numbers):,} rows with an answer",
                "a teacher that knows the task",
                "check that it was fine-tuned on such questions, or fine-tune it with teacher.train",
            )
        return F1, self._value(F1, rows, logits, teacher)

    def _value(self, metric: str, rows: Rows, logits: Logits, teacher: Reader) -> float:
        answers = self.stack(_answered(teacher, rows, logits, teacher.answering), teacher.labels)
        return score(metric, self.gold_marks(metric, rows), self.marks(metric, answers, rows), 1)

    def tuned_on(self, metric: str, logits: Logits, rows: Rows, model: Reader) -> Answering:
        """How long an answer may be, so that nearly all are short enough, and from where on there is none."""
        assert rows.labels is not None
        counts = token_counts(_read(model, rows), rows.labels)
        found = Answers()
        longest = int(np.quantile(counts, _KEPT, method="higher")) if counts else found.longest
        found = found.model_copy(update={"longest": max(found.longest, longest)})
        without = _unanswerable(rows.labels)
        if not without.any():
            return found
        answers = [one for one in _answered(model, rows, logits, found) if isinstance(one, Extraction)]
        values = self.marks(metric, self.stack(answers, model.labels), rows)
        threshold = best_cut(
            np.array([answer.margin for answer in answers]), values, without.astype(np.float64)
        )
        return found.model_copy(update={"impossible": True, "null_threshold": threshold})

    @property
    def is_tuned(self) -> bool:
        """See `Task`."""
        return True

    # Judging

    def stack(self, answers: Sequence[Answer], labels: Sequence[str]) -> Floats:
        """(rows, 3)."""
        found = [
            (answer.start, answer.end, answer.score) for answer in answers if isinstance(answer, Extraction)
        ]
        return np.array(found, dtype=np.float64).reshape(-1, 3)

    def gold_marks(self, metric: str, rows: Rows) -> NDArray[Any]:
        """1 for every row: what an answer's value is a share of, (rows,)."""
        return np.ones(len(rows))

    def marks(self, metric: str, answers: Floats, rows: Rows) -> NDArray[Any]:
        """How right each answer is, (rows,)."""
        assert rows.labels is not None
        contexts = [asked[1] for asked in rows.texts]
        given = [
            context[int(start) : int(end)] for context, (start, end, _) in zip(contexts, answers, strict=True)
        ]
        right = [
            [context[start:end] for start, end in row.tolist() if end > start >= 0]
            for context, row in zip(contexts, rows.labels, strict=True)
        ]
        return answer_values(metric, given, right, contexts)

    def as_labels(self, answers: Floats) -> Labels:
        """See `Task`."""
        return answers[:, None, : END + 1].astype(np.int32)

    def same(self, one: Floats, other: Floats) -> Bools:
        """The very same characters of the context."""
        return np.asarray((one[:, : END + 1] == other[:, : END + 1]).all(axis=1))

    def largest_change(self, one: Floats, other: Floats) -> float:
        """In how sure an answer is."""
        return float(np.abs(one[:, SCORE] - other[:, SCORE]).max(initial=0.0))

    def right(self, answers: Floats, rows: Rows) -> Bools | None:
        """Answers that match one of the right ones exactly."""
        return np.asarray(self.marks(EXACT_MATCH, answers, rows) == 1)

    def confidence(self, answers: Floats) -> Floats | None:
        """At most 1: what stands in two windows is counted twice in an answer's score."""
        return np.minimum(answers[:, SCORE], 1.0)

    # evaluation.jsonl, and files with labels

    def gathered_labels(self, labels: Sequence[Any]) -> Labels:
        """See `Task`."""
        return padded_labels(labels)

    def gathered_answers(self, answers: Sequence[Any]) -> Floats:
        """See `Task`."""
        return np.array(answers, dtype=np.float64).reshape(-1, 3)

    def tell_label(self, label: Any, labels: Sequence[str]) -> Any:
        """Of every right answer first character and the one after the last; empty where there is none."""
        return tell_spans(label)

    def read_label(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        return read_spans(told)

    def file_row(
        self, row: Mapping[str, object], text: str, label: str | None, text_pair: str | None = None
    ) -> Mapping[str, object]:
        """See `Task`: answers as places in their context."""
        return (
            row if label is None else {**row, label: parse_answers(row.get(label), row.get(text_pair or ""))}
        )

    def parse_label(self, cell: Any, labels: Sequence[str], names: dict[str, str]) -> Any:
        """What `file_row` made."""
        return cell

    def tell_answer(self, answer: Floats, labels: Sequence[str]) -> dict[str, Any]:
        """First character, the one after the last, and how sure."""
        return tell_answer(answer)

    def read_answer(self, told: Any, labels: Sequence[str]) -> Any:
        """See `Task`."""
        return read_answer(told)


def _read(model: Reader, rows: Rows) -> list[Tokens]:
    """What the model reads of these questions."""
    from serve.encoding import cut_into_windows, read

    tokenizer = model.encoder
    cut_into_windows(tokenizer, model.answering)
    return read(tokenizer, rows.texts, model.answering)


def _answered(model: Reader, rows: Rows, logits: Logits, how: Answering) -> list[Answer]:
    """The model's answers to rows that it gave these logits over."""
    task = QuestionAnswering()
    return how.answers(_read(model, rows), task.outputs_of_targets(logits), model.labels)


def _unanswerable(labels: Labels) -> Bools:
    """Rows whose answer is that there is none, (rows,)."""
    return np.asarray((labels[:, 0, 0] >= 0) & (labels[:, 0, 1] == labels[:, 0, 0]))
