"""What every peer is given: the same tokens, of texts that people wrote."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from benchmarks.peers.peer import Arrays
from compress.bench.texts import bundle_texts, file_texts
from serve.bundle import Bundle, GraphInput
from serve.encoding import pad, pad_id, read_tokenizer, tokenize
from serve.errors import InputError

REAL = "real text"  # one text as it comes
SHAPES: dict[str, tuple[int, int | None]] = {  # texts, and tokens of each
    "1 x 16": (1, 16),
    "1 x 128": (1, 128),
    "32 x 32": (32, 32),
    REAL: (1, None),
}
_INPUTS = [GraphInput(name=name, dtype="int64") for name in ("input_ids", "attention_mask", "token_type_ids")]


def source(bundle: Bundle, file: Path | None) -> tuple[list[str], str]:
    """The texts, of a .txt file or else of the bundle's test rows, and where they are from."""
    if file is not None:
        return list(file_texts(file)), file.name
    texts = [text for text in bundle_texts(bundle) if isinstance(text, str)]
    if not texts:
        raise InputError(
            f"{bundle.folder} is asked pairs of texts", "a bundle of single texts", "give --texts FILE.txt"
        )
    return texts, f"the test rows of {bundle.manifest.name}"


def batches(
    bundle: Bundle, texts: Sequence[str], shape: str, count: int, random: np.random.Generator
) -> list[Arrays]:
    """So many batches of the shape; for a fixed length texts are joined and cut."""
    size, length = SHAPES[shape]
    tokenizer = read_tokenizer(bundle.tokenizer_path)
    if length is not None:
        tokenizer.enable_truncation(length)
    found = []
    for _ in range(count):
        # Several in one text, so that the cut is always reached.
        joined = 1 if length is None else 1 + length // 4
        asked = [
            " ".join(texts[int(row)] for row in random.integers(len(texts), size=joined)) for _ in range(size)
        ]
        arrays = pad(tokenize(tokenizer, asked), _INPUTS, pad_id(tokenizer)).arrays
        if length is not None and arrays["attention_mask"].sum() != size * length:
            raise InputError(
                f"texts that give fewer than {length} tokens", "longer ones", "give other --texts"
            )
        found.append({name: values.tolist() for name, values in arrays.items()})
    return found
