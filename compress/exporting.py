"""`compress export`: any classifier becomes a proven ONNX folder, without distillation and without a verdict.

The folder is laid out as a bundle and is read as one. It holds export.json with what was tried instead of a
report, since nothing was judged.
"""

import json
import tempfile
from dataclasses import asdict, dataclass
from pathlib import Path

from pydantic import TypeAdapter, ValidationError
from rich import box
from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from compress.data.rows import Rows
from compress.data.unlabeled import read_unlabeled, unlabeled_files
from compress.errors import ModelError, UserError
from compress.judge.machine import machine, versions
from compress.models.heads import saved_head
from compress.models.open import load_classifier, named_by, open_model
from compress.models.source import ModelSource
from compress.models.tokenizer import position_limit
from compress.models.trained import Trained, load_trained, save_trained
from compress.progress import Progress
from compress.quiet import quiet_libraries
from compress.sentences import SENTENCES
from compress.stage import Stages
from compress.steps.onnx import export_files
from compress.tasks import ALIASES, BUILT, FILL_MASK, TASKS
from compress.training.device import choose_compute
from compress.workshop import Workshop
from export.candidates import Candidate
from export.pack import pack
from export.parity import ParityFinding
from export.quantize import Quantize
from export.target import ExportOptions
from serve.bundle import MANIFEST, NOT_JUDGED, VerifiedOn

DOCUMENT = "export.json"
MOST_TEXTS = 2000  # of a file, on which the export must prove itself


@dataclass(frozen=True)
class Found:
    """What was tried, and how near what was made is to PyTorch."""

    tried: tuple[Candidate, ...]
    parity: tuple[ParityFinding, ...]  # of the float file, and of the smaller one


def export_model(
    name: str,
    out: Path,
    progress: Progress,
    *,
    task: str,
    target: str,
    quantize: str,
    data: str | None,
    text_pair: bool = False,
) -> Found:
    """Export the classifier in a folder or on the Hub to `out`; raises `UserError` and `ProofError`.

    `data` is a file of texts to prove the export on; without it a small set of sentences is taken. A model of pairs
    (`text_pair`) reads each text with the next one.
    """
    quiet_libraries()
    exportable = [name for name in BUILT if name != FILL_MASK]
    task = ALIASES.get(task, task)
    if task not in exportable:
        known = ", ".join(exportable)
        raise UserError(f"the task {task}", f"a task that is built: {known}", f"give --task {exportable[0]}")
    asked, smaller = _asked(target, quantize)
    _require_free(out)
    if data:
        unlabeled_files([data], key="--data")  # a missing file is told by the option's name
    texts = read_unlabeled([data], None)[:MOST_TEXTS] if data else list(SENTENCES)
    text_pair = text_pair or _reads_pairs_alone(task)
    rows = Rows(list(zip(texts, [*texts[1:], texts[0]], strict=True)) if text_pair else texts, None)
    with tempfile.TemporaryDirectory(prefix="compress-export-") as scratch:
        stages = Stages(Path(scratch))
        workshop = Workshop(stages, progress, choose_compute("cpu", "fp32"), 13, "accuracy", ())
        made_from = stages.open("model", {"model": name})
        trained = _open(name, made_from.folder, task)
        files = export_files(workshop, rows, asked, "model", (made_from, trained), smaller)
        found = Found(files.tried, files.parity)
        out.parent.mkdir(parents=True, exist_ok=True)
        pack(
            out,
            name=out.resolve().name,
            task=trained.task.name,
            answering=trained.answering,
            labels=trained.labels,
            max_length=trained.max_length,
            text_pair=text_pair,
            model_folder=trained.folder,
            float_model=files.float_model,
            quantized_model=files.quantized,
            documents={
                DOCUMENT: _document(name, found),
                "README.md": _card(out.resolve().name, name, found, task),
            },
            verdict=NOT_JUDGED,
            verified_on=_here(),
        )
    return found


def render(found: Found) -> RenderableType:
    """What was tried, timed, chosen, and how near to PyTorch it is."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    for header in ("form", "opset", "proven", "p50 ms", "chosen", ""):
        table.add_column(header)
    for one in found.tried:
        table.add_row(
            one.name,
            str(one.opset),
            "yes" if one.proven else "no",
            "-" if one.p50_ms is None else f"{one.p50_ms:.2f}",
            "yes" if one.chosen else "",
            Text(one.reason or ""),
        )
    return Group(table, Text(), *(Text(line) for line in _near(found)))


def _near(found: Found) -> list[str]:
    return [
        f"{finding.file}: {finding.measure.replace('_', ' ')} {finding.difference:.2g} "
        f"(at most {finding.tolerance:.2g}) from PyTorch over {finding.texts} texts of up to "
        f"{max(finding.lengths)} tokens"
        for finding in found.parity
    ]


def _open(name: str, folder: Path, task: str) -> Trained:
    """The classifier as stages hold one: its tokenizer without padding, truncating at the model's limit."""
    if (Path(name) / MANIFEST).is_file():
        raise ModelError(
            f"{name} is a bundle: it is exported already",
            "a fine-tuned PyTorch model",
            "serve it as it is, or give the model that it was made of",
        )
    kinds = [one for one in TASKS if one.name == task]
    try:
        opened = open_model(ModelSource(model=name), kinds[0])
    except UserError as error:
        raise named_by(error, "MODEL") from None
    trained_for = next((one.name for one in TASKS if one.head == saved_head(opened.config)), None)
    if trained_for not in (None, task):
        raise ModelError(
            f"{name} was trained for {trained_for}, by the class in its config.json",
            f"a model that was fine-tuned for {task}",
            f"give --task {trained_for}",
        )
    if not any(opened.is_trained_for(one) for one in kinds):
        raise ModelError(
            f"{name} has no trained {kinds[0].head_in_words}",
            "a model that was fine-tuned on the task",
            "fine-tune it first: `compress run` does, with teacher.train",
        )
    problem = getattr(opened.config, "problem_type", None)
    kind = next((one for one in kinds if problem is not None and one.problem_type == problem), kinds[0])
    kind.check_head(name, opened.label_names, problem)
    named = kind.names_outputs or len(kind.output_names) == 1
    names = opened.label_names if named and kind.has_head else kind.output_names
    model = load_classifier(opened, names, new_head=False, task=kind)
    limit = position_limit(opened.tokenizer, opened.config)
    save_trained(model, opened.tokenizer, names, limit, folder, kind.default_answering())
    return load_trained(folder)


def _reads_pairs_alone(task: str) -> bool:
    return all(one.answers_as.WINDOWS_OF == "only_second" for one in TASKS if one.name == task)


def _asked(target: str, quantize: str) -> tuple[ExportOptions, Quantize]:
    """The options that a recipe would hold; raises `UserError`."""
    option, given = "--target", target
    try:
        options = ExportOptions.model_validate({"target": target})
        option, given = "--quantize", quantize
        smaller: Quantize = TypeAdapter(Quantize).validate_python({"method": quantize})
    except ValidationError as error:
        context = error.errors()[0].get("ctx", {})
        known = context.get("expected") or context.get("expected_tags")
        raise UserError(f"{option} {given}", str(known), f"give {option} one of these") from None
    if fault := options.clash(smaller.method):
        raise UserError(fault, "a target and a quantiser that go together", "give --quantize none")
    return options, smaller


def _require_free(out: Path) -> None:
    """Packing replaces a folder whole, which must not happen to one that is no bundle."""
    if out.is_file() or (out.is_dir() and any(out.iterdir()) and not (out / MANIFEST).is_file()):
        raise UserError(
            f"{out} exists and is no bundle",
            "a new folder, or an older bundle to be replaced",
            "give another --out",
        )


def _document(name: str, found: Found) -> str:
    document = {
        "model": name,
        "shipped": found.parity[-1].file,
        "exports": [asdict(one) for one in found.tried],
        "parity": [asdict(finding) for finding in found.parity],
        "machine": machine().model_dump(),
        "versions": versions(),
    }
    return json.dumps(document, indent=2, ensure_ascii=False) + "\n"


def _card(title: str, name: str, found: Found, task: str) -> str:
    near = "\n".join(f"- {line}" for line in _near(found))
    return f"""---
library_name: onnx
pipeline_tag: {task}
tags:
- onnx
- compress-toolchain
---

# {title}

{name}, exported to ONNX. Its accuracy was not judged; that its files answer as PyTorch does was:

{near}

## Use

```python
import serve

model = serve.load("path/to/this/folder")
print(model.predict(["some text"]))
```

`compress serve FOLDER` answers over HTTP.
"""


def _here() -> VerifiedOn:
    facts = machine()
    return VerifiedOn(
        processor=facts.processor,
        instruction_set=facts.instruction_set,
        execution_provider="CPUExecutionProvider",
        onnxruntime=versions()["onnxruntime"],
    )


def as_json(out: Path) -> str:
    """What was found, as the folder holds it."""
    return (out / DOCUMENT).read_text(encoding="utf-8").rstrip("\n")
