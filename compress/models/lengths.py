"""How long the texts are in tokens, and how long a model should let them be."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from transformers import PreTrainedTokenizerFast

from serve.inputs import Input

ROUND_TO = 32
SHORTEST = 64
SAMPLE = 20_000


@dataclass(frozen=True)
class Lengths:
    """Token counts of (a sample of) the texts, special tokens included."""

    counts: NDArray[np.int64]
    unknown: float = 0.0  # share of the tokens that stand for what the vocabulary lacks

    @property
    def mean(self) -> float:
        """Mean tokens per text."""
        return float(self.counts.mean())

    @property
    def longest(self) -> int:
        """Tokens of the longest text."""
        return int(self.counts.max())

    def share_over(self, max_length: int) -> float:
        """Share of texts that lose their end at this length."""
        return float((self.counts > max_length).mean())

    def histogram(self) -> list[tuple[int, int, int]]:
        """At most eight bins: (from, to, texts), both ends inclusive."""
        width = max(4, -(-self.longest // 32) * 4)
        edges = range(1, self.longest + 1, width)
        return [
            (low, low + width - 1, int(((self.counts >= low) & (self.counts < low + width)).sum()))
            for low in edges
        ]


def measure_lengths(tokenizer: PreTrainedTokenizerFast, texts: Sequence[Input]) -> Lengths:
    """Token counts without truncation, and the share of unknown tokens; every n-th text when there are many."""
    from tokenizers import Tokenizer

    backend = Tokenizer.from_str(tokenizer.backend_tokenizer.to_str())
    backend.no_truncation()
    backend.no_padding()
    step = max(1, len(texts) // SAMPLE)
    encodings = backend.encode_batch(list(texts[::step]))
    counts = np.asarray([len(encoding.ids) for encoding in encodings], dtype=np.int64)
    unknown = sum(encoding.ids.count(tokenizer.unk_token_id) for encoding in encodings)
    return Lengths(counts, unknown / max(1, int(counts.sum())))


def choose_max_length(wanted: int | None, lengths: Lengths, limit: int) -> int:
    """The recipe's length, or one that cuts no more than one text in a thousand; at most the model's limit.

    Never below 64 where the model allows it: batches are padded to their own longest text, so room that
    is not used costs nothing, and the texts to come may be longer than those at hand.
    """
    if wanted is not None:
        return min(wanted, limit)
    needed = int(np.quantile(lengths.counts, 0.999, method="higher"))
    return min(max(SHORTEST, -(-needed // ROUND_TO) * ROUND_TO), limit)
