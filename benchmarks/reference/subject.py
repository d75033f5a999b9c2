"""The models of a run, or one that was exported: weights as other libraries read them, and the ONNX file of them."""

import json
import sys
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

from tokenizers import Tokenizer

from compress.data.columns import find_columns
from compress.data.load import ALIASES
from compress.data.read import read_raw
from compress.models.trained import load_trained
from compress.tasks import task_named
from serve.bundle import EVALUATION, FLOAT_MODEL, TOKENIZER, read
from serve.inputs import Input
from serve.runtime import OnnxRuntime
from serve.tasks import Answering


@dataclass(frozen=True)
class Subject:
    """One model."""

    name: str
    weights: str  # a folder or a Hub name
    onnx: Path  # the float file
    tokenizer: Path  # of the runtime
    labels: tuple[str, ...]
    max_length: int  # tokens that it reads
    answering: Answering

    def runtime(self) -> OnnxRuntime:
        """Asked in true batches, as a float file may be."""
        return OnnxRuntime.from_files(
            self.onnx, self.tokenizer, self.labels, batching="batch", answering=self.answering
        )

    def counter(self) -> Callable[[str], int]:
        """How many tokens a whole text has."""
        tokenizer = Tokenizer.from_file(str(self.tokenizer))
        tokenizer.no_truncation()
        return lambda text: len(tokenizer.encode(text).ids)


def of_run(run: Path) -> tuple[list[Subject], list[Input]]:
    """Teacher and student of a finished run, and its test rows."""
    found = [one for name in ("teacher", "student") if (one := _of_stages(run, name)) is not None]
    rows = run / "bundle" / EVALUATION
    if not found or not rows.is_file():
        sys.exit(
            f"{run} is no finished run. Expected: what `compress run` made. To do: let the run end first"
        )
    told = [json.loads(line) for line in rows.read_text(encoding="utf-8").splitlines()]
    return found, [(row["text"], row["text_pair"]) if "text_pair" in row else row["text"] for row in told]


def _of_stages(run: Path, name: str) -> Subject | None:
    """The newest complete stages of this name: weights, and the float file made of them."""
    taught = _newest(
        run, "teacher-[0-9a-f]*" if name == "teacher" else "student-[0-9q]*", "model.safetensors"
    )
    onnx = _newest(run, f"{name}-onnx-*", "model.onnx")
    if taught is None or onnx is None:
        return None
    trained = load_trained(taught)
    return Subject(
        name,
        str(taught),
        onnx / "model.onnx",
        taught / "tokenizer.json",
        trained.labels,
        trained.max_length,
        trained.answering,
    )


def _newest(run: Path, pattern: str, file: str) -> Path | None:
    complete = [
        path.parent for path in run.glob(f"stages/{pattern}/stage.json") if (path.parent / file).is_file()
    ]
    return max(complete, key=lambda folder: (folder / "stage.json").stat().st_mtime, default=None)


def of_export(folder: Path, weights: str) -> Subject:
    """What `compress export` made of the model."""
    manifest = read(folder).manifest
    return Subject(
        manifest.name,
        weights,
        folder / FLOAT_MODEL,
        folder / TOKENIZER,
        tuple(manifest.labels),
        manifest.max_length,
        manifest.answering,
    )


def rows_of(data: str, subject: Subject, *, pairs: bool) -> list[Input]:
    """The test rows of a data set, or those of validation where it has none; of NER the words joined."""
    raw = read_raw(data, None, None)
    named = (alias for part in ("test", "validation", "train") for alias in ALIASES[part])
    split = next(name for name in named if name in raw)
    task = task_named(subject.answering.TASK)
    columns = find_columns(
        raw[split], None, None, no_label=True, text_names=task.text_columns, label_names=task.label_columns
    )
    rows: Sequence[Input] = task.read_inputs(raw[split], columns, split)
    return [row for row in rows if pairs or isinstance(row, str)] or task.answers_as.singly(rows)
