"""An exported file against the PyTorch model that it came from, on real texts.

Batches of 1, 3 and 8 texts, of short, middling and long texts, of all lengths together and of texts that fill
the model, so that both axes vary and padding is there to be masked. The file is loaded from a copy in a folder
of its own. Of further texts only that they have an answer at all is asked.
"""

import shutil
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Literal

import numpy as np
from numpy.typing import NDArray
from onnxruntime.capi import onnxruntime_pybind11_state as failures
from tokenizers import Encoding, Tokenizer

from export.model import OnnxModel
from export.proof import ProofError
from serve.bundle import GraphInput
from serve.encoding import MAX_CHARACTERS, Integers, pad, tokenize
from serve.errors import BundleError
from serve.inputs import Input, joined
from serve.session import Session, open_session
from serve.tasks.answering import Output

BATCH_SIZES = (1, 3, 8)
_MOST_TOKENS = 1024  # that a text is filled to: attention grows with the square
_BATCH = 32
_SINGLE = 5

# Float: rounding alone, relative to the largest logit (or 1). Measured: 4e-6 over eight architectures.
FLOAT_TOLERANCE = 1e-4
# int8: root mean square of the difference over that of the centred logits; 0.05 is usual, 1 is noise.
# Whether the rest is good enough the verdict says, on the task's own metric.
INT8_TOLERANCE = 0.35
FLOAT16_TOLERANCE = 0.05  # the same measure; rounding alone gives some 0.001

Arrays = Mapping[str, Integers]  # by the model's own names, each (batch, tokens)
# The first output, or all by their names.
Forward = Callable[[Arrays], NDArray[np.float32] | Mapping[str, NDArray[np.float32]]]

_RUN_FAILURES = (failures.Fail, failures.InvalidArgument, failures.RuntimeException)


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


@dataclass(frozen=True)
class Reference:
    """PyTorch's answers, computed once, against which every file of a model is held."""

    batches: tuple[Arrays, ...]
    logits: tuple[
        NDArray[np.float32], ...
    ]  # of each batch what it gives, (batch or tokens of it, width): `_flat`
    further: tuple[Arrays, ...]  # batches that must have finite answers
    single: tuple[Arrays, ...]  # texts short to long, each a batch of its own: to be timed
    outputs: tuple[Output, ...]  # of the graph

    @property
    def labels(self) -> int:
        """Width of a classifier's logits."""
        return int(self.logits[0].shape[1])

    def hold(self, model: OnnxModel, name: str | None = None) -> ParityFinding:
        """Compare logits batch by batch; `name` is the file's in messages.

        Raises `ProofError` over the tolerance, at NaN or infinity, at inputs of other names, and where an axis is
        frozen; `BundleError` where the file is no model that can be loaded alone.
        """
        name = name or model.path.name
        with TemporaryDirectory(prefix="compress-proof-") as elsewhere:
            copy = Path(shutil.copy(model.path, elsewhere))
            try:
                session = open_session(copy, self.labels, outputs=self.outputs)
            except BundleError as error:  # of the copy nobody needs to know
                raise BundleError(
                    error.found.replace(str(copy), name), error.expected, error.remedy
                ) from None
        found = [_answer(session, arrays, self.outputs, name) for arrays in self.batches]
        finding = self._compare(model, name, np.concatenate(found))
        for arrays in self.further:
            _answer(session, arrays, self.outputs, name)
        return finding

    def _compare(self, model: OnnxModel, name: str, found: NDArray[np.float32]) -> ParityFinding:
        expected = np.concatenate(self.logits)
        if model.precision == "fp32":
            measure: Literal["max_abs_difference", "relative_rms_difference"] = "max_abs_difference"
            difference = float(np.abs(expected - found).max())
            tolerance = FLOAT_TOLERANCE * max(1.0, float(np.abs(expected).max()))
        else:
            measure = "relative_rms_difference"
            centred = expected - expected.mean(axis=0)
            difference = _rms(expected - found) / max(_rms(centred), 1e-6)
            tolerance = FLOAT16_TOLERANCE if model.precision == "fp16" else INT8_TOLERANCE
        widths = {arrays["input_ids"].shape[1] for arrays in self.batches}
        finding = ParityFinding(
            name, measure, difference, tolerance, len(expected), BATCH_SIZES, tuple(sorted(widths))
        )
        if not difference <= tolerance:  # so that NaN on either side is a difference
            raise ProofError(
                f"{finding.file} does not answer as the PyTorch model it came from: {measure.replace('_', ' ')} is "
                f"{difference:.3g} over {finding.texts} texts, and {tolerance:.3g} is allowed. No bundle was written."
            )
        return finding


def make_reference(
    forward: Forward,
    input_names: Sequence[str],
    tokenizer: Tokenizer,
    pad_id: int,
    texts: Sequence[Input],
    further: Sequence[Input] = (),
    outputs: Sequence[Output] = (),
) -> Reference:
    """Ask PyTorch once.

    `forward` is the model: token arrays (batch, tokens) by name to logits (batch, labels), or to every one of
    `outputs` by its name. Of `further` texts a file must give finite answers.
    """
    inputs = [GraphInput(name=name, dtype="int64") for name in input_names]

    def arrays(encodings: Sequence[Encoding]) -> Arrays:
        return pad(encodings, inputs, pad_id).arrays

    ordered = sorted(tokenize(tokenizer, texts), key=lambda encoding: len(encoding.ids))
    batches = tuple(map(arrays, _batches(ordered, _filled(tokenizer, texts))))
    rest = sorted(tokenize(tokenizer, further), key=lambda encoding: len(encoding.ids)) if further else []
    starts = [*range(0, len(rest), _BATCH), len(rest)]
    given = [forward(batch) for batch in batches]
    if not outputs:
        assert isinstance(given[0], np.ndarray)
        outputs = (Output("logits", width=int(given[0].shape[1])),)
    first = outputs[0].name
    by_name = [{first: one} if isinstance(one, np.ndarray) else one for one in given]
    return Reference(
        batches,
        tuple(_flat(one, outputs, batch) for one, batch in zip(by_name, batches, strict=True)),
        tuple(arrays(rest[start:end]) for start, end in pairwise(starts)),
        tuple(arrays([one]) for one in _spread(ordered, _SINGLE)),
        tuple(outputs),
    )


def prove_parity(
    model: OnnxModel,
    forward: Forward,
    tokenizer: Tokenizer,
    pad_id: int,
    texts: Sequence[Input],
    labels: int,
) -> ParityFinding:
    """One file, held against PyTorch; raises as `Reference.hold` does."""
    names = [value.name for value in open_session(model.path, labels).inputs]
    return make_reference(forward, names, tokenizer, pad_id, texts).hold(model)


def _flat(
    given: Mapping[str, NDArray[np.float32]], outputs: Sequence[Output], arrays: Arrays
) -> NDArray[np.float32]:
    """Outputs side by side, a row for each text, or for each token that is no padding: of a classifier its logits."""
    mask = np.asarray(arrays["attention_mask"], dtype=bool)
    columns = []
    for one in outputs:
        values = given[one.name][mask] if one.per_token else given[one.name]
        columns.append(values.reshape(len(values), -1))
    return np.concatenate(columns, axis=1)


def _answer(session: Session, arrays: Arrays, outputs: Sequence[Output], name: str) -> NDArray[np.float32]:
    """What the graph gives, all of it numbers, as `_flat` lays it; the graph is fed exactly what it names."""
    texts, tokens = arrays["input_ids"].shape
    wanted = {value.name for value in session.inputs}
    if wanted != set(arrays):
        raise ProofError(f"{name} takes {sorted(wanted)}, and the model reads {sorted(arrays)}")
    fed = {value.name: arrays[value.name].astype(value.dtype, copy=False) for value in session.inputs}
    try:
        given = session.run_all(fed)
    except _RUN_FAILURES as error:
        reason = (str(error).strip() or type(error).__name__).splitlines()[0]
        raise ProofError(
            f"{name} does not take {texts} texts of {tokens} tokens, so an axis of its graph is frozen: {reason}"
        ) from None
    by_name = {one.name: values for one, values in zip(outputs, given.values(), strict=True)}
    for one in outputs:
        values, axes = by_name[one.name], (texts, tokens) if one.per_token else (texts,)
        wide = values.shape[len(axes) :] == (() if one.width is None else (one.width,))
        if values.shape[: len(axes)] != axes or not wide:
            raise ProofError(
                f"{name} answers {texts} texts of {tokens} tokens with {one.name} of shape {values.shape}, "
                f"so an axis of its graph is frozen"
            )
    found = _flat(by_name, outputs, arrays)
    if not np.isfinite(found).all():
        raise ProofError(f"{name} gives NaN or infinity where PyTorch gives numbers")
    return found


def _batches(ordered: Sequence[Encoding], filled: Sequence[Encoding]) -> list[list[Encoding]]:
    batches = []
    for size in BATCH_SIZES:
        count = min(size, len(ordered))
        middle = (len(ordered) - count) // 2
        batches += [list(ordered[:count]), list(ordered[middle : middle + count]), list(ordered[-count:])]
        batches.append(_spread(ordered, count))
    if filled:
        batches += [list(filled), [*filled, ordered[0], ordered[len(ordered) // 2]]]
    return batches


def _spread(ordered: Sequence[Encoding], count: int) -> list[Encoding]:
    """So many, from the shortest to the longest."""
    return [ordered[int(place)] for place in np.linspace(0, len(ordered) - 1, min(count, len(ordered)))]


def _filled(tokenizer: Tokenizer, texts: Sequence[Input]) -> list[Encoding]:
    """The texts as one that is as long as the tokenizer cuts a text, or 1,024 tokens; none where it cuts nowhere."""
    if tokenizer.truncation is None:
        return []
    whole = " ".join(joined(asked) for asked in texts)[: MAX_CHARACTERS // 2] or "a"
    most = min(int(tokenizer.truncation["max_length"]), _MOST_TOKENS)
    while len(tokenizer.encode(whole).ids) < most and 2 * len(whole) < MAX_CHARACTERS:
        whole = f"{whole} {whole}"
    are_pairs = bool(texts) and not isinstance(texts[0], str)
    encodings = tokenize(tokenizer, [(whole, whole) if are_pairs else whole])
    for encoding in encodings:
        encoding.truncate(_MOST_TOKENS)
    return encodings


def _rms(values: NDArray[np.float32]) -> float:
    return float(np.sqrt(np.mean(np.square(values, dtype=np.float64))))
