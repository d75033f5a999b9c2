"""The stage that makes an exported file smaller, with the proof that it still answers as its model does."""

import json
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from compress.data.rows import Rows
from compress.data.stratify import sample
from compress.judge.machine import machine
from compress.judge.report import LadderRow
from compress.models.trained import Trained
from compress.stage import Stage
from compress.steps.ladder import QUANTIZED_FILE, Ladder, Rung, climb, read_ladder, write_ladder
from compress.steps.proof import PARITY, prove, read_finding, tools
from compress.workshop import Workshop
from export.model import OnnxModel
from export.parity import ParityFinding
from export.quantize import Auto, KeepFloat, Qat, Quantiser, Static
from export.quantize.circumstances import Circumstances, Feed, saturates
from export.quantize.qat import LEARNED_RANGES, fingerprint
from export.quantize.ranges import Range
from serve.encoding import cut_into_windows, pad, pad_id, read, windows_of
from serve.inputs import Input
from serve.session import open_session


@dataclass(frozen=True)
class Quantized:
    """What came of an exported file."""

    model: OnnxModel | None  # None: the float file ships
    parity: tuple[ParityFinding, ...] = ()
    ladder: tuple[LadderRow, ...] = ()  # what was tried, where the recipe leaves the choice


def quantize_stage(
    workshop: Workshop,
    options: Quantiser | Auto | KeepFloat,
    made_from: Stage,
    model: OnnxModel,
    trained: Trained,
    rows: Rows,
    name: str,
) -> Quantized:
    """The smaller file, calibrated, proven and, where it is to be chosen, chosen on these rows.

    Raises `ProofError` where the file that the recipe names does not answer as its model does.
    """
    if isinstance(options, KeepFloat):
        return Quantized(None)

    def work(folder: Path) -> Mapping[str, object]:
        workshop.progress.say(f"{name}: {options.method} quantisation, then comparing with PyTorch")
        texts = options.calibration_texts if isinstance(options, Auto | Static | Qat) else 0
        known = Circumstances(
            feeds=calibration_feeds(model, trained, sample(rows, texts, workshop.seed).texts)
            if texts
            else (),
            saturates=saturates(machine().instruction_set),
            learned=learned_ranges(trained) if isinstance(options, Qat) else {},
        )
        if isinstance(options, Auto):
            ladder = Ladder(options, model, trained, rows, workshop.metric, workshop.seed, known)
            climbed = climb(ladder, folder / "rungs", workshop.progress)
            write_ladder(folder, climbed.rows)
            made = _keep(climbed.chosen, folder)
            shutil.rmtree(folder / "rungs")
            noisy = climbed.noisy
        else:
            made = options.quantize(model, folder / QUANTIZED_FILE, known)
            prove(made, trained, rows, folder)
            noisy = False
        facts = {} if made is None else {"precision": made.precision, "batching": made.batching}
        return {**facts, "size_mb": (made or model).size_mb, "noisy": noisy}

    stage = workshop.do(
        name,
        {
            "from": made_from.digest,
            "options": options.model_dump(),
            "with": tools(),
            "rows": rows.digest(),
            "metric": workshop.metric,
            "seed": workshop.seed,
            **_here(options),
        },
        work,
    )
    facts = stage.facts
    if facts["noisy"]:
        # Others were busy while the candidates were timed: kept for this report, climbed again by the next run.
        stage.reopen()
    ladder_rows = tuple(read_ladder(stage.folder)) if isinstance(options, Auto) else ()
    if "precision" not in facts:
        return Quantized(None, (), ladder_rows)
    small = OnnxModel(stage.folder / QUANTIZED_FILE, facts["precision"], model.opset, facts["batching"])  # type: ignore[arg-type]  # as it was written
    return Quantized(small, (read_finding(stage.folder),), ladder_rows)


def _here(options: Quantiser | Auto) -> dict[str, object]:
    """What the result owes to this processor: how many bits weights may have, and which candidate was fastest."""
    facts = machine()
    timed_on = {"machine": facts.model_dump()} if isinstance(options, Auto) else {}
    return {"saturates": saturates(facts.instruction_set), **timed_on}


def seven_bits(quantized: OnnxModel | None) -> list[str]:
    """A sentence for people where an int8 file has smaller weights for this processor's sake."""
    if quantized is None or quantized.precision != "int8" or not saturates(machine().instruction_set):
        return []
    return [
        "this processor has no VNNI: it adds products of 8-bit numbers up in 16 bits, where they would be cut off, so "
        "the int8 weights have 7 bits. On a processor with VNNI the same command makes weights of 8 bits"
    ]


def calibration_feeds(model: OnnxModel, trained: Trained, texts: Sequence[Input]) -> list[Feed]:
    """The texts as the graph takes them, one each and unpadded."""
    count = len(trained.labels)
    inputs = open_session(model.path, count, outputs=trained.answering.outputs(count), threads=1).inputs
    padding = pad_id(trained.encoder, trained.folder / "tokenizer_config.json")
    tokenizer = trained.encoder
    cut_into_windows(tokenizer, trained.answering)
    windows = windows_of(read(tokenizer, texts, trained.answering))
    return [pad([window], inputs, padding).arrays for window in windows]


def learned_ranges(trained: Trained) -> dict[str, Range]:
    """What the training in this model's stage found its layers to take, by the fingerprint of their weights."""
    kept = json.loads((trained.folder / LEARNED_RANGES).read_text(encoding="utf-8"))
    weights = trained.model.state_dict()
    return {fingerprint(weights[f"{name}.weight"].numpy()): (low, high) for name, (low, high) in kept.items()}


def _keep(chosen: Rung | None, folder: Path) -> OnnxModel | None:
    """The chosen file and its proof, in the stage's own folder."""
    if chosen is None:
        return None
    shutil.move(chosen.model.path.with_name(PARITY), folder / PARITY)
    shutil.move(chosen.model.path, folder / QUANTIZED_FILE)
    made = chosen.model
    return OnnxModel(folder / QUANTIZED_FILE, made.precision, made.opset, made.batching)
