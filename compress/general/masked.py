"""Lines as rows to learn from: tokenised when they are read, with masked tokens to fill in."""

from collections.abc import Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.data import Dataset
from transformers import DataCollatorForLanguageModeling, PreTrainedTokenizerFast

from compress.general.lines import TextLines
from compress.training.lesson import Batch
from compress.training.rows import Example

MASKED_SHARE = 0.15  # Devlin et al. 2019, section 3.1


class MaskedLines(Dataset[Example]):
    """`TrainingRows` of chosen lines; a batch's `labels` (batch, tokens) hold the masked tokens, else -100.

    Of the masked tokens 80 % are replaced by the mask, 10 % by any token (Devlin et al. 2019, section 3.1).
    Masks are drawn anew in each epoch, and follow from the seed, the epoch and the batch's rows alone: a
    training that is resumed sees what it would have seen.
    """

    def __init__(
        self,
        lines: TextLines,
        chosen: NDArray[np.int64],
        tokenizer: PreTrainedTokenizerFast,
        max_length: int,
        seed: int,
    ) -> None:
        self._lines, self._chosen = lines, chosen
        self._tokenizer, self._max_length = tokenizer, max_length
        self._masker = DataCollatorForLanguageModeling(tokenizer, mlm_probability=MASKED_SHARE)
        self._seed, self._epoch = seed, 0

    @property
    def lengths(self) -> NDArray[np.uint32]:
        """Bytes of each line, (rows,): they sort lines into batches of like length without tokenising them all."""
        return self._lines.sizes(self._chosen)

    @property
    def token_ids(self) -> None:
        """Not known: masking puts any word of the vocabulary in place of another."""
        return None

    def begin_epoch(self, epoch: int) -> None:
        """From here on the masks are those of this epoch."""
        self._epoch = epoch

    def __len__(self) -> int:
        return len(self._chosen)

    def __getitem__(self, index: int) -> Example:
        text = self._lines[int(self._chosen[index])]
        encoded = self._tokenizer(text, truncation=True, max_length=self._max_length)
        return {
            "row": index,
            "input_ids": encoded["input_ids"],
            "attention_mask": encoded["attention_mask"],
        }

    def collate(self, examples: Sequence[Example]) -> Batch:
        """A batch, padded to its longest line and masked."""
        entropy = (self._seed, self._epoch, *(example["row"] for example in examples))
        state = np.random.SeedSequence(entropy).generate_state(1, np.uint64)
        self._masker.generator = torch.Generator().manual_seed(int(state[0]))
        rows = [{name: value for name, value in example.items() if name != "row"} for example in examples]
        batch: Batch = dict(self._masker(rows))
        return batch


def unmasked(batch: Batch) -> torch.Tensor:
    """The batch's `input_ids` as they were before tokens were masked."""
    return torch.where(batch["labels"] < 0, batch["input_ids"], batch["labels"])
