"""The stage that asks what ships the same texts in several ways."""

from collections.abc import Mapping
from pathlib import Path

from compress.data.rows import Rows
from compress.judge.contestants import Contestant
from compress.judge.invariance import ROWS, Open, invariance
from compress.judge.machine import machine, versions
from compress.judge.report import Invariance
from compress.models.trained import Trained
from compress.stage import write_text
from compress.workshop import Workshop
from serve.bundle import TOKENIZER, sha256
from serve.runtime import OnnxRuntime

FILE = "invariance.json"


def invariance_stage(
    workshop: Workshop, shipped: Contestant, rows: Rows, labels: tuple[str, ...]
) -> Invariance:
    """Whether answers of what ships depend on more than their text, on rows drawn from the reported ones."""
    some = rows.take(rows.drawn(ROWS, workshop.seed))

    def work(folder: Path) -> Mapping[str, object]:
        workshop.progress.say(f"{len(some):,} test texts alone and in company ...")
        found = invariance(
            shipped.predictor,
            _in_true_batches(shipped),
            some.texts,
            labels,
            seed=workshop.seed,
            task=workshop.task,
        )
        write_text(folder / FILE, found.model_dump_json(indent=2) + "\n")
        return {"flips": found.flips}

    inputs = {
        "files": [sha256(file) for file in shipped.files],
        "labels": labels,
        "rows": some.digest(),
        "seed": workshop.seed,
        "machine": machine().model_dump(),
        "versions": versions(),
    }
    stage = workshop.do("invariance", inputs, work)
    return Invariance.model_validate_json((stage.folder / FILE).read_text(encoding="utf-8"))


def _in_true_batches(shipped: Contestant) -> Open | None:
    """The same file, made to take many texts at once where the runtime takes one; None where it batches anyway."""
    file, model = shipped.file, shipped.model
    runtime = shipped.predictor()
    assert file is not None
    assert isinstance(model, Trained)
    assert isinstance(runtime, OnnxRuntime)
    if runtime.batching == "batch":
        return None
    tokenizer = model.folder / TOKENIZER
    return lambda threads: OnnxRuntime.from_files(
        file, tokenizer, model.labels, batching="batch", threads=threads, answering=model.answering
    )
