"""How models learn to answer questions, and what is tuned for one that has learnt it.

Each begin and each end is a row of its own to the losses, and the tokens of its window are the row's labels.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from compress.data.rows import Rows
from compress.errors import ModelError
from compress.judge.answer_texts import EXACT_MATCH, F1
from compress.tasks.answer_judging import places_of, stacked, unanswerable, values_of
from compress.tasks.answer_tokens import (
    answer_labels,
    best_token_spans,
    carried_logits,
    counted_tokens,
    token_counts,
)
from compress.tasks.interface import (
    Floats,
    Imitation,
    Labels,
    Logits,
    Reader,
    TrainingPart,
    knows_more_than_chance,
)
from compress.tasks.text_classification import SingleLabel
from compress.tasks.thresholds import best_cut
from compress.tasks.word_targets import padded_targets
from serve.tasks import Answer, Answering, Extraction, Tokens
from serve.tasks import QuestionAnswering as Answers
from serve.tasks.answering import Outputs
from serve.tasks.question_answering import ENDS, STARTS

if TYPE_CHECKING:
    from torch import Tensor

_LOSSES = SingleLabel()
_KEPT = 0.99  # of the answers of the selection rows, which the longest answer is chosen for
_LONGEST = 30  # tokens of an answer by which checkpoints are selected, as in the scripts for SQuAD


class AnswerTraining(TrainingPart):
    """Logits are (windows, tokens, 2); to losses rows over tokens, (2 windows, tokens)."""

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
        return _outputs(targets)

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
        self, logits: Tensor, teacher_logits: Tensor, labels: Tensor | None, how: Imitation
    ) -> Tensor:
        """Hinton's soft targets over tokens, or squared differences of logits; see `Task`."""
        from compress.distill.spans import matched_rows

        if how.loss == "mse":
            return matched_rows(logits, teacher_logits, labels, how.alpha)
        return _LOSSES.soft_loss(logits, teacher_logits, labels, how)

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
        return places_of(stacked(answers))

    def examined(
        self, labels: Sequence[str], logits: Logits, rows: Rows, teacher: Reader
    ) -> tuple[str, float]:
        """The teacher's F1 on the selection rows that have an answer; raises `ModelError` where it is near guessing."""
        assert rows.labels is not None
        numbers = np.flatnonzero(~unanswerable(rows.labels))
        if not len(numbers):
            return F1, _f1(rows, logits, teacher)
        how = teacher.answering
        assert isinstance(how, Answers)
        answers = _answered(teacher, rows, logits, how.model_copy(update={"impossible": False}))
        values = values_of(F1, stacked(answers), rows)[numbers]
        if not knows_more_than_chance(float(values.mean()), len(numbers)):
            raise ModelError(
                f"the teacher answers at chance: its F1 is {values.mean():.3f} on {len(numbers):,} rows with an answer",
                "a teacher that knows the task",
                "check that it was fine-tuned on such questions, or fine-tune it with teacher.train",
            )
        return F1, _f1(rows, logits, teacher)

    def tuned_on(self, metric: str, logits: Logits, rows: Rows, model: Reader) -> Answering:
        """How long an answer may be, so that nearly all are short enough, and from where on there is none."""
        assert rows.labels is not None
        counts = token_counts(_read(model, rows), rows.labels)
        found = Answers()
        longest = int(np.quantile(counts, _KEPT, method="higher")) if counts else found.longest
        found = found.model_copy(update={"longest": max(found.longest, longest)})
        without = unanswerable(rows.labels)
        if not without.any():
            return found
        answers = [one for one in _answered(model, rows, logits, found) if isinstance(one, Extraction)]
        values = values_of(metric, stacked(answers), rows)
        threshold = best_cut(
            np.array([answer.margin for answer in answers]), values, without.astype(np.float64)
        )
        return found.model_copy(update={"impossible": True, "null_threshold": threshold})

    @property
    def is_tuned(self) -> bool:
        """See `Task`."""
        return True


def _outputs(targets: Logits) -> Outputs:
    rows = [row[~np.isnan(row).any(axis=-1)] for row in targets]
    return {STARTS: [row[:, 0] for row in rows], ENDS: [row[:, 1] for row in rows]}


def _read(model: Reader, rows: Rows) -> list[Tokens]:
    """What the model reads of these questions."""
    from serve.encoding import cut_into_windows, read

    tokenizer = model.encoder
    cut_into_windows(tokenizer, model.answering)
    return read(tokenizer, rows.texts, model.answering)


def _answered(model: Reader, rows: Rows, logits: Logits, how: Answering) -> list[Answer]:
    """The model's answers to rows that it gave these logits over."""
    return how.answers(_read(model, rows), _outputs(logits), model.labels)


def _f1(rows: Rows, logits: Logits, teacher: Reader) -> float:
    return float(values_of(F1, stacked(_answered(teacher, rows, logits, teacher.answering)), rows).mean())
