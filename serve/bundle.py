"""The bundle: the folder that is the whole contract between training and serving.

Layout (also a valid Hub model repository):

    README.md                     model card
    config.json                   the transformers config, with id2label
    tokenizer.json                no padding block, truncation at max_length
    tokenizer_config.json
    onnx/model.onnx               float
    onnx/model_quantized.onnx     where int8 ships
    evaluation.jsonl              test rows: {"id", "text", "label", "teacher": {"label", "probabilities"}}, with
                                  "text_pair" where two texts are read together
    report.json
    report.html                   the same for people, one page that fetches nothing
    bundle.json                   the manifest, written last

`read` checks everything before anything is loaded: the format number, the hash of every file, that
every file is a plain file inside the folder (no link of either kind), and that the files are of kinds
that run no code when loaded.
"""

import hashlib
import json
import os
import stat
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from serve.errors import BundleError
from serve.tasks import AnyAnswering, SingleLabel

# int8: weights and activations; the last two: weights alone.
Precision = Literal["fp32", "fp16", "int8", "int8-weights", "int4-weights"]
Batching = Literal["batch", "one_by_one"]  # one_by_one: an answer would depend on the rest of its batch

FORMAT = 1
MANIFEST = "bundle.json"
TOKENIZER = "tokenizer.json"
TOKENIZER_CONFIG = "tokenizer_config.json"
FLOAT_MODEL = "onnx/model.onnx"
QUANTIZED_MODEL = "onnx/model_quantized.onnx"
EVALUATION = "evaluation.jsonl"
REPORT = "report.json"
REPORT_PAGE = "report.html"
NOT_JUDGED = "not judged"  # the verdict of a bundle that was exported as it is
SAFE_SUFFIXES = frozenset({".json", ".jsonl", ".md", ".onnx", ".txt", ".html"})

_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class GraphInput(_Strict):
    """One input of the ONNX graph, by the name and type that the graph itself has."""

    name: str
    dtype: Literal["int64", "int32"]


class VerifiedOn(_Strict):
    """Where the figures of this bundle were measured."""

    processor: str
    instruction_set: list[str]
    execution_provider: str
    onnxruntime: str


class BatchPoint(_Strict):
    """One size of batch and what it gave."""

    texts: int
    per_second: float  # texts, one thread


class Batches(_Strict):
    """How many texts a server answers in one go, measured by the run that made the bundle."""

    together: bool  # in one inference; False: one inference for each, since that is faster or the answers depend on it
    texts: int  # at most in one go
    tokens: int  # at most in one go, padding not counted
    curve: list[BatchPoint]  # true batches of texts as they come, padded to the longest


class BundleFile(_Strict):
    """One file's size and digest."""

    sha256: str
    size_bytes: int


class Manifest(_Strict):
    """`bundle.json`."""

    format: Literal[1]
    name: str
    task: str
    labels: list[str]
    max_length: int
    text_pair: bool = False  # the model reads two texts together
    answering: AnyAnswering = SingleLabel()  # how outputs become answers, by the task
    inputs: list[GraphInput]
    output: str
    model: str  # the file that ships, relative to the bundle
    precision: Precision
    # Dynamic int8 takes one activation scale over the whole batch, so its answers depend on their
    # neighbours; such a model is run text by text.
    batching: Batching
    batches: Batches | None = None  # None where nothing was measured
    opset: int
    ir_version: int
    verdict: str
    created: str  # ISO 8601, UTC
    verified_on: VerifiedOn
    files: dict[str, BundleFile]


@dataclass(frozen=True, slots=True)
class Bundle:
    """A bundle whose files were checked against its manifest."""

    folder: Path
    manifest: Manifest

    @property
    def model_path(self) -> Path:
        """The ONNX file that ships."""
        return self.folder / self.manifest.model

    @property
    def tokenizer_path(self) -> Path:
        """The `tokenizers` file."""
        return self.folder / TOKENIZER


def sha256(path: Path) -> str:
    """Hex digest of a file, read in pieces."""
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, "sha256").hexdigest()


def read(folder: str | Path) -> Bundle:
    """The bundle in `folder`; raises `BundleError` when anything about it is not as its manifest says."""
    folder = Path(folder)
    manifest = read_manifest(folder)
    for name, entry in manifest.files.items():
        _check_file(folder, name, entry)
    for required in (manifest.model, TOKENIZER):
        if required not in manifest.files:
            raise BundleError(
                f"{folder / MANIFEST} lists no {required}",
                "the model that ships and its tokenizer among the listed files",
                _REBUILD,
            )
    return Bundle(folder, manifest)


def read_manifest(folder: Path) -> Manifest:
    """The manifest alone, of files that are not looked at; raises `BundleError`."""
    path = folder / MANIFEST
    if not path.is_file():
        raise BundleError(
            f"{folder} is not a bundle: it has no {MANIFEST}",
            "a folder that `compress run` made",
            "give the bundle's own folder, for example runs/quickstart/bundle",
        )
    try:
        text = path.read_text(encoding="utf-8")
    except UnicodeDecodeError:
        raise BundleError(f"{path} is not UTF-8 text", "a manifest in JSON", _REBUILD) from None
    found = _format_number(text)
    if found is not None and found != FORMAT:
        raise BundleError(
            f"{path} has format {found}",
            f"format {FORMAT}, the one that this version reads",
            "install the version of compress-toolchain that made it, or make the bundle again",
        )
    try:
        return Manifest.model_validate_json(text)
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(f"{path}: {place}: {first['msg']}", "a complete manifest", _REBUILD) from None


def _format_number(text: str) -> object:
    try:
        document = json.loads(text)
    except ValueError:
        return None
    return document.get("format") if isinstance(document, dict) else None


def _check_file(folder: Path, name: str, entry: BundleFile) -> None:
    pure = PurePosixPath(name)
    if pure.is_absolute() or ".." in pure.parts or "\\" in name or pure.suffix not in SAFE_SUFFIXES:
        raise BundleError(
            f"{folder / MANIFEST} names the file {name!r}",
            f"paths inside the bundle, of the kinds {', '.join(sorted(SAFE_SUFFIXES))}",
            "do not use this bundle unless you know who altered it",
        )
    path = folder / pure
    for part in [path, *path.parents][: len(pure.parts)]:
        if part.is_symlink():
            raise BundleError(f"{part} is a link", "plain files", "copy the file itself into the bundle")
    if not path.is_file():
        raise BundleError(f"{path} is missing", f"the file that {MANIFEST} lists", _REBUILD)
    status = os.lstat(path)
    if not stat.S_ISREG(status.st_mode) or status.st_nlink != 1:
        raise BundleError(
            f"{path} is a hard link or no plain file", "plain files", "copy the bundle, then use the copy"
        )
    if status.st_size != entry.size_bytes or sha256(path) != entry.sha256:
        raise BundleError(
            f"{path} was altered: its digest differs from the one in {MANIFEST}",
            f"{entry.size_bytes} bytes with sha256 {entry.sha256[:12]}...",
            _REBUILD,
        )
