"""Text files of any size as rows to learn from: one text per line, read when it is needed.

What is kept in memory is where each line begins, eight bytes a line; a training that shuffles and one that
is resumed can so read any line at any time.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

from compress.errors import DataError
from compress.training.lesson import Batch
from compress.training.rows import Example

CHUNK = 1 << 24  # bytes that are read at once while lines are counted
MASKED_SHARE = 0.15  # Devlin et al. 2019, section 3.1


class TextLines:
    """The lines of files that are not blank, in order."""

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = list(files)
        spans = [_line_spans(file) for file in self.files]
        self._owner = np.concatenate(
            [np.full(len(part), place, np.int32) for place, part in enumerate(spans)]
        )
        self._spans = np.concatenate(spans) if spans else np.zeros((0, 2), np.int64)
        if not len(self._spans):
            raise DataError(
                f"{', '.join(map(str, self.files[:3]))} hold no text", "one text per line", "check the files"
            )

    def __len__(self) -> int:
        return len(self._spans)

    @property
    def sizes(self) -> NDArray[np.int64]:
        """Bytes of each line, of shape (lines,)."""
        return np.asarray(self._spans[:, 1] - self._spans[:, 0])

    def __getitem__(self, index: int) -> str:
        """A line, without what ends it; raises `DataError` where it is not UTF-8."""
        file = self.files[int(self._owner[index])]
        start, end = map(int, self._spans[index])
        with file.open("rb") as stream:
            stream.seek(start)
            raw = stream.read(end - start)
        try:
            return raw.decode("utf-8").strip()
        except UnicodeDecodeError as error:
            raise DataError(
                f"{file} is not UTF-8 text at byte {start + error.start}",
                "text files in UTF-8",
                "convert it, for example: iconv -f latin1 -t utf-8 IN > OUT",
            ) from None


class MaskedLines(Dataset[Example]):
    """`TrainingRows` of lines (or some of them), tokenised when they are read and masked for masked language
    modelling: `labels` (batch, tokens) hold the masked tokens, and -100 elsewhere.
    """

    def __init__(
        self,
        lines: TextLines,
        chosen: NDArray[np.int64],
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        *,
        seed: int,
    ) -> None:
        self._lines, self._chosen = lines, chosen
        self._tokenizer, self._max_length = tokenizer, max_length
        self._masker = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED_SHARE, seed=seed)

    @property
    def lengths(self) -> list[int]:
        """Bytes of each line: what sorts them into batches of like length, without tokenising them all."""
        sizes: list[int] = self._lines.sizes[self._chosen].tolist()
        return sizes

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Example:
        text = self._lines[int(self._chosen[index])]
        encoded = self._tokenizer(text, truncation=True, max_length=self._max_length)
        return {"input_ids": encoded["input_ids"], "attention_mask": encoded["attention_mask"]}

    def collate(self, examples: Sequence[Example]) -> Batch:
        """A batch, padded to its longest line; its masks are drawn anew each time."""
        batch: dict[str, torch.Tensor] = dict(self._masker(list(examples)))
        return batch


def _line_spans(file: Path) -> NDArray[np.int64]:
    """(lines, 2): where each line that is not blank begins and ends, in bytes."""
    ends: list[NDArray[np.int64]] = []
    read = 0
    try:
        with file.open("rb") as stream:
            while chunk := stream.read(CHUNK):
                found = np.flatnonzero(np.frombuffer(chunk, np.uint8) == ord("\n"))
                ends.append(found.astype(np.int64) + read)
                read += len(chunk)
    except OSError as error:
        raise DataError(f"{file} cannot be read: {error}", "a text file", "check data.path") from None
    stops = np.concatenate([*ends, np.asarray([read], np.int64)])
    starts = np.concatenate([np.zeros(1, np.int64), stops[:-1] + 1])
    spans = np.stack([starts, stops], axis=1)
    spans = spans[spans[:, 1] - spans[:, 0] > 1]  # a lone character or carriage return teaches nothing
    return np.asarray(spans)
