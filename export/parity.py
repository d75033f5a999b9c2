"""An exported file against the PyTorch model that it came from, on real texts.

Batches of 1, 3 and 8 texts, of short, middling and long texts and of all lengths together, so that both
axes vary and padding is there to be masked.
"""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from tokenizers import Encoding, Tokenizer

from export.model import OnnxModel
from export.proof import ProofError
from serve.encoding import Integers, pad, tokenize
from serve.session import open_session

BATCH_SIZES = (1, 3, 8)

# Float: rounding alone, relative to the largest logit (or 1). Measured: 4e-6 over eight architectures.
FLOAT_TOLERANCE = 1e-4
# int8: root mean square of the difference over that of the centred logits; 0.05 is usual, 1 is noise.
# Whether the rest is good enough the verdict says, on the task's own metric.
INT8_TOLERANCE = 0.35
FLOAT16_TOLERANCE = 0.05  # the same measure; rounding alone gives some 0.001

Forward = Callable[[Mapping[str, Integers]], NDArray[np.float32]]


@dataclass(frozen=True)
class ParityFinding:
    """How far the file is from PyTorch."""

    file: str
    measure: Literal["max_abs_difference", "relative_rms_difference"]
    difference: float
    tolerance: float
    texts: int
    batch_sizes: tuple[int, ...]
    lengths: tuple[int, ...]  # tokens, the widths of the batches


def prove_parity(
    model: OnnxModel,
    forward: Forward,
    tokenizer: Tokenizer,
    pad_id: int,
    texts: Sequence[str],
    labels: int,
) -> ParityFinding:
    """Compare logits batch by batch; raises `ProofError` over the tolerance, or at NaN or infinity.

    `forward` is the PyTorch model: token arrays (batch, tokens) by name to logits (batch, labels).
    """
    session = open_session(model.path, labels)
    expected, found, widths = [], [], set()
    for encodings in _batches(tokenize(tokenizer, texts)):
        arrays = pad(encodings, session.inputs, pad_id).arrays
        widths.add(arrays["input_ids"].shape[1])
        expected.append(forward(arrays))
        found.append(session.run(arrays))
    torch_logits, onnx_logits = np.concatenate(expected), np.concatenate(found)
    if not np.isfinite(onnx_logits).all():
        raise ProofError(f"{model.path.name} gives NaN or infinity where PyTorch gives numbers")
    if model.precision == "fp32":
        measure: Literal["max_abs_difference", "relative_rms_difference"] = "max_abs_difference"
        difference = float(np.abs(torch_logits - onnx_logits).max())
        tolerance = FLOAT_TOLERANCE * max(1.0, float(np.abs(torch_logits).max()))
    else:
        measure = "relative_rms_difference"
        centred = torch_logits - torch_logits.mean(axis=0)
        difference = _rms(torch_logits - onnx_logits) / max(_rms(centred), 1e-6)
        tolerance = FLOAT16_TOLERANCE if model.precision == "fp16" else INT8_TOLERANCE
    finding = ParityFinding(
        model.path.name, measure, difference, tolerance, len(torch_logits), BATCH_SIZES, tuple(sorted(widths))
    )
    if not difference <= tolerance:  # so that NaN on either side is a difference
        raise ProofError(
            f"{finding.file} does not answer as the PyTorch model it came from: {measure.replace('_', ' ')} is "
            f"{difference:.3g} over {finding.texts} texts, and {tolerance:.3g} is allowed. No bundle was written."
        )
    return finding


def _batches(encodings: Sequence[Encoding]) -> list[list[Encoding]]:
    ordered = sorted(encodings, key=lambda encoding: len(encoding.ids))
    batches = []
    for size in BATCH_SIZES:
        count = min(size, len(ordered))
        middle = (len(ordered) - count) // 2
        batches += [ordered[:count], ordered[middle : middle + count], ordered[-count:]]
        batches.append([ordered[int(place)] for place in np.linspace(0, len(ordered) - 1, count)])
    return batches


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
