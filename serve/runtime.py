"""The ONNX model that answers: text in, label with probabilities out, without torch."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Self

import numpy as np
from numpy.typing import NDArray
from tokenizers import Tokenizer

from serve.bundle import TOKENIZER_CONFIG, Batching, Bundle, GraphInput, Manifest
from serve.device import Device
from serve.encoding import Integers, cut_into_windows, pad, pad_id, read, read_tokenizer, windows_of
from serve.errors import BundleError, InputError
from serve.inputs import Input
from serve.session import Session, open_session
from serve.tasks import Answer, Answering, SingleLabel, Tokens
from serve.tasks.answering import Array, Output, Outputs

_LARGEST_BATCH = 32  # where nobody measured which is best
_ANSWERED_TOGETHER = 1024  # texts whose encodings are held in memory at once


class OnnxRuntime:
    """A `serve.predictor.Predictor` over an ONNX file and its tokenizer.

    One object may be used from several threads at once.
    """

    def __init__(self, bundle: Bundle, threads: int | None = None, device: Device = "cpu") -> None:
        """Load the model that `bundle` ships; raises `BundleError` if it is not as the manifest says."""
        manifest = bundle.manifest
        session = open_session(
            bundle.model_path,
            len(manifest.labels),
            output=manifest.output,
            outputs=manifest.answering.outputs(len(manifest.labels)),
            threads=threads,
            device=device,
        )
        _check_inputs(bundle.model_path, session.inputs, manifest.inputs)
        tokenizer = read_tokenizer(bundle.tokenizer_path)
        _check_truncation(bundle.tokenizer_path, tokenizer, manifest.max_length)
        self._set(
            session,
            tokenizer,
            bundle.tokenizer_path,
            manifest.labels,
            manifest.batching,
            _largest_batch(manifest),
            manifest.text_pair,
            manifest.answering,
        )

    @classmethod
    def from_files(
        cls,
        model_path: Path,
        tokenizer_path: Path,
        labels: Sequence[str],
        *,
        batching: Batching,
        threads: int | None = None,
        largest_batch: int | None = None,
        answering: Answering | None = None,
    ) -> Self:
        """A runtime on files that are no bundle yet; input names and types are the graph's own.

        `answering` is classification with one label unless given.
        """
        runtime = cls.__new__(cls)
        answering = answering or SingleLabel()
        outputs = answering.outputs(len(labels))
        session = open_session(model_path, len(labels), outputs=outputs, threads=threads)
        tokenizer = read_tokenizer(tokenizer_path)
        runtime._set(session, tokenizer, tokenizer_path, labels, batching, largest_batch, answering=answering)
        return runtime

    def _set(
        self,
        session: Session,
        tokenizer: Tokenizer,
        tokenizer_path: Path,
        labels: Sequence[str],
        batching: Batching,
        largest_batch: int | None,
        takes_pairs: bool | None = None,  # None: whoever asks knows what the model was trained on
        answering: Answering = SingleLabel(),  # noqa: B008  frozen
    ) -> None:
        cut_into_windows(tokenizer, answering)
        self._session = session
        self._tokenizer = tokenizer
        self._pad_id = pad_id(tokenizer, tokenizer_path.with_name(TOKENIZER_CONFIG))
        self._largest_batch = (largest_batch or _LARGEST_BATCH) if batching == "batch" else 1
        self._takes_pairs = takes_pairs
        self.batching: Batching = batching
        self.labels = tuple(labels)
        self.answering = answering
        self._outputs = answering.outputs(len(self.labels))

    @property
    def takes_pairs(self) -> bool:
        """Whether it is asked pairs of texts."""
        return bool(self._takes_pairs)

    @property
    def threads(self) -> int:
        """Threads that one inference uses."""
        return self._session.threads

    def predict(self, inputs: Sequence[Input]) -> list[Answer]:
        """One answer per text, in the order given.

        An empty text gets an answer like any other. Raises `InputError` for what is no text and for a
        text over `serve.encoding.MAX_CHARACTERS`; nothing is answered then.
        """
        return [answer for encodings in self._encoded(inputs) for answer in self.answers_of(encodings)]

    def answers_of(self, encodings: Sequence[Tokens]) -> list[Answer]:
        """One answer per input, in the order given."""
        return self.answering.answers(encodings, self.outputs_of(encodings), self.labels)

    def logits(self, inputs: Sequence[Input]) -> NDArray[np.float32]:
        """Logits of a classifier, (texts, labels), in the order given; raises as `predict` does."""
        parts = [self.logits_of(encodings) for encodings in self._encoded(inputs)]
        return np.concatenate(parts) if parts else np.empty((0, len(self.labels)), np.float32)

    def tokens(self, inputs: Sequence[Input]) -> list[Tokens]:
        """What is read of each text, for `answers_of`; raises as `predict` does."""
        return [encoding for encodings in self._encoded(inputs) for encoding in encodings]

    def arrays(self, inputs: Sequence[Input]) -> dict[str, Integers]:
        """What the graph is given for these texts as one batch, (texts, tokens) each."""
        return pad(windows_of(self.tokens(inputs)), self._session.inputs, self._pad_id).arrays

    def _encoded(self, inputs: Sequence[Input]) -> Iterator[list[Tokens]]:
        if isinstance(inputs, str):
            raise InputError("a single text", "a list of texts", "put the text in a list: predict([text])")
        self._check_pairs(inputs)
        for start in range(0, len(inputs), _ANSWERED_TOGETHER):
            yield read(self._tokenizer, inputs[start : start + _ANSWERED_TOGETHER], self.answering)

    def _check_pairs(self, inputs: Sequence[Input]) -> None:
        if self._takes_pairs is None or self.answering.READS_EACH:
            return
        if self._takes_pairs and not all(isinstance(asked, tuple | list) for asked in inputs):
            raise InputError(
                "a single text", "a pair of texts, as the model was trained on", "ask with (first, second)"
            )
        if not self._takes_pairs and any(isinstance(asked, tuple | list) for asked in inputs):
            raise InputError(
                "a pair of texts", "single texts, as the model was trained on", "ask with one text"
            )

    def logits_of(self, encodings: Sequence[Tokens]) -> Array:
        """The first output, of a classifier its logits (texts, labels); that of tokens as (tokens of all, ...)."""
        first = self._outputs[0]
        found = self.outputs_of(encodings)[first.name]
        return np.concatenate([*found]) if first.per_token else np.asarray(found)

    def outputs_of(self, encodings: Sequence[Tokens]) -> Outputs:
        """Every output by its name; texts of similar length share a batch, to pad little."""
        windows = windows_of(encodings)
        found: dict[str, Array | list[Array]] = {}
        by_length = sorted(range(len(windows)), key=lambda row: len(windows[row]))
        for start in range(0, len(by_length), self._largest_batch):
            rows = by_length[start : start + self._largest_batch]
            batch = pad([windows[row] for row in rows], self._session.inputs, self._pad_id)
            if len(self._outputs) == 1:
                given = {self._outputs[0].name: self._session.run(batch.arrays)}
            else:
                given = self._session.run_all(batch.arrays)
            collect(found, self._outputs, given, rows, batch.token_counts, len(windows))
        return found or {one.name: _none_of(one) for one in self._outputs}


def collect(
    found: dict[str, Array | list[Array]],
    outputs: Sequence[Output],
    given: Mapping[str, Array],
    rows: Sequence[int],
    tokens: Sequence[int],
    count: int,
) -> None:
    """Put what a batch gave in `found`, at the places `rows` of `count` windows, without its padding."""
    for one in outputs:
        values = given[one.name]
        if one.per_token:
            whole = found.setdefault(one.name, [np.empty(0, np.float32)] * count)
            for row, own, length in zip(rows, values, tokens, strict=True):
                whole[row] = own[: max(1, length)]
        else:
            whole = found.setdefault(one.name, np.empty((count, *values.shape[1:]), np.float32))
            assert isinstance(whole, np.ndarray)
            whole[rows] = values


def _none_of(output: Output) -> Array | list[Array]:
    return [] if output.per_token else np.empty((0, output.width or 0), np.float32)


def _largest_batch(manifest: Manifest) -> int | None:
    if manifest.batches is None:
        return None
    return manifest.batches.texts if manifest.batches.together else 1


def _check_inputs(model_path: Path, found: Sequence[GraphInput], listed: Sequence[GraphInput]) -> None:
    if {(entry.name, entry.dtype) for entry in found} != {(entry.name, entry.dtype) for entry in listed}:
        raise BundleError(
            f"{model_path} takes {', '.join(f'{entry.name} ({entry.dtype})' for entry in found)}",
            f"the inputs of the manifest: {', '.join(f'{entry.name} ({entry.dtype})' for entry in listed)}",
            "make the bundle again with `compress run`",
        )


def _check_truncation(path: Path, tokenizer: Tokenizer, max_length: int) -> None:
    truncation = tokenizer.truncation
    if truncation is None or truncation["max_length"] != max_length:
        raise BundleError(
            f"{path} truncates at {truncation['max_length'] if truncation else 'no length'}",
            f"truncation at the {max_length} tokens of the manifest's max_length",
            "make the bundle again with `compress run`",
        )
