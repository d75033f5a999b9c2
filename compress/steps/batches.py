"""The stage that measures how many texts what ships should answer in one go."""

from collections.abc import Mapping
from pathlib import Path

from compress.data.rows import Rows
from compress.judge.batches import SIZES, TEXTS, batch_curve, choose_batches
from compress.judge.contestants import Contestant
from compress.judge.machine import machine, versions
from compress.judge.report import Invariance
from compress.models.trained import Trained
from compress.stage import write_text
from compress.workshop import Workshop
from serve.bundle import TOKENIZER, Batches, sha256
from serve.runtime import OnnxRuntime

FILE = "batches.json"


def batches_stage(
    workshop: Workshop, shipped: Contestant, rows: Rows, invariance: Invariance, max_length: int
) -> Batches:
    """For the server, on texts of these rows; their labels are not looked at."""
    file, model = shipped.file, shipped.model
    assert file is not None
    assert isinstance(model, Trained)
    some = rows.take(rows.drawn(TEXTS, workshop.seed))
    texts = model.answering.singly(some.texts)[:TEXTS]
    invariant = shipped.batching == "batch" and not invariance.flips

    def work(folder: Path) -> Mapping[str, object]:
        workshop.progress.say("texts per second, alone and in batches ...")
        runtime = OnnxRuntime.from_files(
            file,
            model.folder / TOKENIZER,
            model.labels,
            batching="batch",
            threads=1,
            largest_batch=max(SIZES),
            answering=model.answering,
        )
        tokens = [len(encoding.ids) for encoding in runtime.tokens(texts)]
        found = choose_batches(
            batch_curve(runtime, texts),
            invariant=invariant,
            tokens_per_text=sum(tokens) / len(tokens),
            max_length=max_length,
        )
        write_text(folder / FILE, found.model_dump_json(indent=2) + "\n")
        return {"together": found.together}

    inputs = {
        "files": [sha256(one) for one in shipped.files],
        "invariant": invariant,
        "rows": some.digest(),
        "max_length": max_length,
        "machine": machine().model_dump(),
        "versions": versions(),
    }
    stage = workshop.do("batches", inputs, work)
    return Batches.model_validate_json((stage.folder / FILE).read_text(encoding="utf-8"))
