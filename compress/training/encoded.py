"""Tokenised rows as `transformers.Trainer` takes them, and the collator that pads a batch to its longest."""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from compress.data.rows import NO_LABEL, Rows
from compress.models.trained import Trained
from compress.training.lesson import Batch
from compress.training.rows import Example
from serve.encoding import cut_into_windows, pad_id, read, windows_of


class EncodedRows(Dataset[Example]):
    """`TrainingRows` of token ids, with the label and the teacher's logits where they are known.

    With a `teacher` whose tokenizer is not the student's, its own ids stand beside the student's where
    they go token for token; `aligned` says whether they do for every text.
    """

    def __init__(
        self,
        trained: Trained,
        rows: Rows,
        teacher_logits: NDArray[np.float32] | None = None,
        *,
        teacher: Trained | None = None,
    ) -> None:
        encoder = trained.encoder
        cut_into_windows(encoder, trained.answering)
        asked = read(encoder, rows.texts, trained.answering)
        encodings = windows_of(asked)
        self.input_ids = [encoding.ids for encoding in encodings]
        # Of single texts they are all 0, which a model takes for granted.
        together = rows.are_pairs and not trained.answering.READS_EACH
        self.token_type_ids = [encoding.type_ids for encoding in encodings] if together else None
        # How many texts each row has, where they are read one by one; every row has as many.
        self.texts_of_a_row = len(encodings) // len(asked) if trained.answering.READS_EACH else None
        self.labels = None if rows.labels is None else trained.task.example_labels(asked, rows.labels)
        self.counted = trained.task.counted(asked, rows.labels)
        self.teacher_logits = teacher_logits
        self.pad_id = pad_id(encoder, trained.folder / "tokenizer_config.json")
        self.teacher_input_ids: list[list[int]] | None = None
        self.teacher_token_type_ids: list[list[int]] | None = None
        self.teacher_pad_id = self.pad_id
        self.aligned = True
        if teacher is not None and teacher.encoder.to_str() != encoder.to_str():
            other = teacher.encoder
            cut_into_windows(other, teacher.answering)
            asked_of_teacher = read(other, rows.texts, teacher.answering)
            if teacher_logits is not None:
                carried = trained.task.carried_over(asked, asked_of_teacher, rows.labels, teacher_logits)
                self.teacher_logits = carried
                if self.counted is not None:  # a word that the teacher's tokenizer drops teaches nothing
                    self.counted = [
                        [int(one and known) for one, known in zip(row, ~np.isnan(values[:, 0]), strict=False)]
                        for row, values in zip(self.counted, carried, strict=True)
                    ]
            theirs = windows_of(asked_of_teacher)
            ids = [encoding.ids for encoding in theirs]
            self.aligned = list(map(len, self.input_ids)) == list(map(len, ids))
            self.teacher_pad_id = pad_id(other, teacher.folder / "tokenizer_config.json")
            self.teacher_input_ids = ids if self.aligned else None
            if self.aligned and together:
                self.teacher_token_type_ids = [encoding.type_ids for encoding in theirs]

    @property
    def lengths(self) -> list[int]:
        """Tokens of each row."""
        lengths = [len(ids) for ids in self.input_ids]
        if self.texts_of_a_row is None:
            return lengths
        return [max(lengths[place : place + self.texts_of_a_row]) for place in self._starts()]

    @property
    def token_ids(self) -> NDArray[np.int64]:
        """The student's token ids, each once, with that of padding."""
        return np.unique(np.fromiter(chain([self.pad_id], *self.input_ids), dtype=np.int64))

    def begin_epoch(self, epoch: int) -> None:
        """Nothing: the rows are the same in every epoch."""

    def collate(self, examples: Sequence[Example]) -> Batch:
        """A batch, padded to its longest row."""
        pad = PadToLongest(self.pad_id, self.teacher_pad_id)
        return pad(examples) if self.texts_of_a_row is None else pad_each_text(examples, pad)

    def _starts(self) -> range:
        """Where each row's first text is."""
        return range(0, len(self.input_ids), self.texts_of_a_row or 1)

    def __len__(self) -> int:
        return len(self._starts())

    def __getitem__(self, index: int) -> Example:
        if self.texts_of_a_row is not None:
            return self._row_of_texts(index)
        example: Example = {"input_ids": self.input_ids[index]}
        if self.token_type_ids is not None:
            example["token_type_ids"] = self.token_type_ids[index]
        if self.labels is not None:
            example["labels"] = self.labels[index]
        if self.counted is not None:
            example["counted"] = self.counted[index]
        if self.teacher_logits is not None:
            example["teacher_logits"] = self.teacher_logits[index]
        if self.teacher_input_ids is not None:
            example["teacher_input_ids"] = self.teacher_input_ids[index]
        if self.teacher_token_type_ids is not None:
            example["teacher_token_type_ids"] = self.teacher_token_type_ids[index]
        return example

    def _row_of_texts(self, index: int) -> Example:
        """With a list of token ids for each text."""
        start = self._starts()[index]
        texts = slice(start, start + (self.texts_of_a_row or 1))
        example: Example = {"input_ids": self.input_ids[texts]}
        if self.labels is not None:
            example["labels"] = self.labels[index]
        if self.teacher_logits is not None:
            example["teacher_logits"] = self.teacher_logits[index]
        if self.teacher_input_ids is not None:
            example["teacher_input_ids"] = self.teacher_input_ids[texts]
        return example


@dataclass(frozen=True)
class PadToLongest:
    """Turns examples into tensors of shape (batch, tokens of the longest)."""

    pad_id: int
    teacher_pad_id: int = 0

    def __call__(self, examples: Sequence[Example]) -> Batch:
        """A batch; see `compress.training.lesson.Batch`."""
        ids = [example["input_ids"] for example in examples]
        batch = {
            "input_ids": _padded(ids, self.pad_id),
            "attention_mask": _padded([[1] * len(row) for row in ids], 0),
        }
        for name in ("token_type_ids", "teacher_token_type_ids", "counted"):
            if name in examples[0]:
                batch[name] = _padded([example[name] for example in examples], 0)
        if "labels" in examples[0]:
            batch["labels"] = _labels([example["labels"] for example in examples])
        if "teacher_logits" in examples[0]:
            logits = [example["teacher_logits"] for example in examples]
            if logits[0].ndim > 1:  # one for each token, kept at the length of the longest example of all
                logits = [np.nan_to_num(values[: batch["input_ids"].shape[1]]) for values in logits]
            batch["teacher_logits"] = torch.from_numpy(np.stack(logits))
        if "teacher_input_ids" in examples[0]:
            batch["teacher_input_ids"] = _padded(
                [example["teacher_input_ids"] for example in examples], self.teacher_pad_id
            )
        return batch


def pad_each_text(examples: Sequence[Example], pad: PadToLongest) -> Batch:
    """A batch of rows whose texts are read one by one: texts along the first axis, with the teacher's vectors.

    Labels are one for each row.
    """
    names = [name for name in ("input_ids", "teacher_input_ids") if name in examples[0]]
    texts = [
        dict(zip(names, each, strict=True))
        for example in examples
        for each in zip(*(example[name] for name in names), strict=True)
    ]
    batch = pad(texts)
    batch["texts"] = torch.tensor([len(example["input_ids"]) for example in examples])
    if "labels" in examples[0]:
        batch["labels"] = _labels([example["labels"] for example in examples])
    if "teacher_logits" in examples[0]:
        vectors = np.concatenate([example["teacher_logits"] for example in examples])
        batch["teacher_logits"] = torch.from_numpy(vectors)
    return batch


def _labels(rows: Sequence[Any]) -> torch.Tensor:
    """Of every example a number, or as many as there are labels, or one for each token."""
    if isinstance(rows[0], list):
        return _padded(rows, NO_LABEL)
    values = np.stack([np.asarray(row) for row in rows])
    return torch.from_numpy(values.astype(np.float32 if values.dtype.kind == "f" else np.int64))


def _padded(rows: Sequence[Sequence[int]], value: int) -> torch.Tensor:
    padded = np.full((len(rows), max(map(len, rows))), value, dtype=np.int64)
    for row, values in zip(padded, rows, strict=True):
        row[: len(values)] = values
    return torch.from_numpy(padded)
