"""Tokenised rows as `transformers.Trainer` takes them, and the collator that pads a batch to its longest."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset

from compress.data.rows import Rows
from compress.models.trained import Trained
from serve.encoding import pad_id, tokenize

Example = dict[str, Any]  # "input_ids": list[int], "labels": int, "teacher_logits": (labels,)


class EncodedRows(Dataset[Example]):
    """Token ids, with the label and the teacher's logits where they are known."""

    def __init__(
        self, trained: Trained, rows: Rows, teacher_logits: NDArray[np.float32] | None = None
    ) -> None:
        encoder = trained.encoder
        self.input_ids = [encoding.ids for encoding in tokenize(encoder, rows.texts)]
        self.labels = rows.labels
        self.teacher_logits = teacher_logits
        self.pad_id = pad_id(encoder, trained.folder / "tokenizer_config.json")

    def __len__(self) -> int:
        return len(self.input_ids)

    def __getitem__(self, index: int) -> Example:
        example: Example = {"input_ids": self.input_ids[index]}
        if self.labels is not None:
            example["labels"] = int(self.labels[index])
        if self.teacher_logits is not None:
            example["teacher_logits"] = self.teacher_logits[index]
        return example


@dataclass(frozen=True)
class PadToLongest:
    """Turns examples into tensors of shape (batch, tokens of the longest)."""

    pad_id: int

    def __call__(self, examples: Sequence[Example]) -> dict[str, torch.Tensor]:
        """`input_ids` and `attention_mask` (batch, tokens), `labels` (batch,), `teacher_logits` (batch, labels)."""
        ids = [example["input_ids"] for example in examples]
        lengths = [len(row) for row in ids]
        input_ids = np.full((len(ids), max(lengths)), self.pad_id, dtype=np.int64)
        attention_mask = np.zeros_like(input_ids)
        for row, (values, length) in enumerate(zip(ids, lengths, strict=True)):
            input_ids[row, :length] = values
            attention_mask[row, :length] = 1
        batch = {"input_ids": torch.from_numpy(input_ids), "attention_mask": torch.from_numpy(attention_mask)}
        if "labels" in examples[0]:
            batch["labels"] = torch.tensor([example["labels"] for example in examples], dtype=torch.long)
        if "teacher_logits" in examples[0]:
            logits = np.stack([example["teacher_logits"] for example in examples])
            batch["teacher_logits"] = torch.from_numpy(logits)
        return batch
