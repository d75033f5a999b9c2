"""The ladder: the fastest good candidate ships, and what is bad, slow or too large does not."""

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from small_models import HERE, small_model
from tiny import save_tiny_encoder, tiny_rows

from compress.data.rows import Rows
from compress.judge.bootstrap import Estimate
from compress.judge.latency import LatencyResult, Timing
from compress.judge.machine import machine
from compress.models.predict import input_names
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained
from compress.progress import Silent
from compress.stage import Stage, Stages
from compress.steps.ladder import FLOAT, Climbed, Ladder, Rung, choose, climb, kept_float
from compress.steps.quantized import (
    QUANTIZED_FILE,
    Quantized,
    calibration_feeds,
    quantize_stage,
    seven_bits,
)
from compress.training.device import Compute
from compress.workshop import Workshop
from export.model import OnnxModel
from export.onnx_export import to_onnx
from export.proof import ProofError
from export.quantize import Auto, Dynamic, Static, WeightsOnly
from export.quantize.circumstances import ANY, Circumstances
from export.quantize.sensitivity import output_errors


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    tokenizer = load_tokenizer(str(save_tiny_encoder(tmp_path_factory.mktemp("encoder"))))
    save_trained(small_model("bert"), tokenizer, ("a", "b", "c"), 64, folder)
    return load_trained(folder)


@pytest.fixture(scope="module")
def exported(trained: Trained) -> OnnxModel:
    return to_onnx(trained.model, input_names(trained.model), trained.folder / "model.onnx")


@pytest.fixture(scope="module")
def rows() -> Rows:
    """Without labels: what scores is the agreement with the float file."""
    return Rows([text for text, _ in tiny_rows(120, seed=4)], None)


@pytest.fixture
def ladder(trained: Trained, exported: OnnxModel, rows: Rows) -> Ladder:
    known = replace(HERE, feeds=calibration_feeds(exported, trained, rows.texts[:20]))
    return Ladder(Auto(max_loss=0.1), exported, trained, rows, "accuracy", 13, known)


def clock(speedups: Mapping[str, float], interval: float = 0.05) -> LatencyResult:
    """A measurement in which each rung is so many times as fast as float, give or take."""
    return LatencyResult(
        {name: Timing(8 / ratio, 9 / ratio, 100) for name, ratio in speedups.items()},
        {name: Estimate(ratio, (ratio - interval, ratio + interval)) for name, ratio in speedups.items()},
        rounds=9,
        dropped_rounds=0,
    )


@pytest.fixture
def timed(monkeypatch: pytest.MonkeyPatch) -> dict[str, float]:
    """How fast each candidate is said to be, by name; 2.0 where it is not told."""
    told: dict[str, float] = {}

    def measured(good: Sequence[Rung], *_: object) -> LatencyResult:
        ratios = {rung.key: 1.0 if rung.name == FLOAT else told.get(rung.name, 2.0) for rung in good}
        return clock(ratios)

    monkeypatch.setattr("compress.steps.ladder._clock", measured)
    return told


def candidates(monkeypatch: pytest.MonkeyPatch, *tried: object) -> None:
    monkeypatch.setattr(Auto, "candidates", lambda _: list(tried))


def scramble(path: Path) -> None:
    """Put noise where int8 matrices are."""
    graph = onnx.load(str(path))
    random = np.random.default_rng(1)
    for tensor in graph.graph.initializer:
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2:
            noise = random.integers(-127, 127, size=tuple(tensor.dims), dtype=np.int8)
            tensor.CopyFrom(numpy_helper.from_array(noise, tensor.name))
    onnx.save(graph, str(path))


def rung(name: str, size_mb: float, tmp_path: Path, loss: float = 0.0) -> Rung:
    path = tmp_path / f"{name}.onnx"
    path.write_bytes(b"0" * int(size_mb * 1e6))
    return Rung(name, OnnxModel(path, "int8", 23), 0.9 - loss, loss)


@pytest.mark.parametrize(
    ("ratios", "limit", "expected"),
    [
        ({"a": 2.0, "b": 3.0}, None, "b"),
        ({"a": 0.8, "b": 0.9}, None, FLOAT),
        ({"a": 1.02, "b": 0.9}, None, FLOAT),  # within chance
        ({"a": 2.0}, None, "a"),  # b was not good enough to be timed
        ({"a": 2.0, "b": 3.0}, 1.5, "a"),  # b is too large
        ({"a": 0.5, "b": 0.9}, 2.5, "b"),  # float is too large, so something smaller ships
        ({"a": 2.0, "b": 3.0}, 0.5, FLOAT),  # nothing fits
    ],
)
def test_the_fastest_that_fits_is_chosen(
    ratios: dict[str, float], limit: float | None, expected: str, tmp_path: Path
) -> None:
    rungs = [rung(FLOAT, 3, tmp_path), rung("a", 1, tmp_path), rung("b", 2, tmp_path)]
    measured = clock({f"{name} 0": ratio for name, ratio in {FLOAT: 1.0, **ratios}.items()})
    assert choose(rungs, measured, Auto(max_size_mb=limit)).name == expected


def test_every_candidate_is_scored_timed_and_sized(
    ladder: Ladder, timed: dict[str, float], tmp_path: Path
) -> None:
    timed |= {"static int8, minmax": 3.0}
    climbed = climb(ladder, tmp_path, Silent())
    assert [row.name for row in climbed.rows if not row.kept_float] == [
        FLOAT,
        *(one.title for one in Auto().candidates()),
    ]
    assert climbed.chosen is not None
    assert climbed.chosen.name == "static int8, minmax"
    (chosen,) = [row for row in climbed.rows if row.chosen]
    assert (chosen.name, chosen.status, chosen.speedup) == ("static int8, minmax", "passed", 3.0)
    assert chosen.size_mb < climbed.rows[0].size_mb
    assert climbed.rows[0].score == 1.0
    assert all(row.score == pytest.approx(1.0 - row.loss) for row in climbed.rows)
    assert all((row.p50_ms is None) == (row.loss > 0.1 or row.status == "refused") for row in climbed.rows)


def test_a_quantiser_that_returns_noise_never_ships_however_fast(
    ladder: Ladder, timed: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Dynamic.quantize

    def noise(self: Dynamic, model: OnnxModel, path: Path, known: Circumstances = ANY) -> OnnxModel:
        made = honest(self, model, path, replace(known, keep_float=frozenset()))
        scramble(made.path)
        return made

    monkeypatch.setattr(Dynamic, "quantize", noise)
    candidates(monkeypatch, Dynamic(), Static())
    timed |= {"dynamic int8": 1000.0}
    climbed = climb(ladder, tmp_path, Silent())
    noisy = [row for row in climbed.rows if row.name == "dynamic int8"]
    assert [len(row.kept_float) for row in noisy][:2] == [0, 2]  # it was tried again, with nodes in float
    assert all(row.status == "missed" and row.why.startswith("lost ") for row in noisy)
    assert climbed.chosen is not None
    assert climbed.chosen.name == "static int8, minmax"


def test_what_scores_well_and_fails_its_proof_never_ships(
    ladder: Ladder, timed: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Logits three times as large have the same labels and other probabilities."""
    honest = Dynamic.quantize

    def louder(self: Dynamic, model: OnnxModel, path: Path, known: Circumstances = ANY) -> OnnxModel:
        made = honest(self, model, path, known)
        graph = onnx.load(str(made.path))
        next(node for node in graph.graph.node if "logits" in node.output).output[:] = ["before"]
        graph.graph.initializer.append(numpy_helper.from_array(np.float32(3), "three"))
        graph.graph.node.append(onnx.helper.make_node("Mul", ["before", "three"], ["logits"]))
        onnx.save(graph, str(made.path))
        return made

    monkeypatch.setattr(Dynamic, "quantize", louder)
    candidates(monkeypatch, Dynamic())
    climbed = climb(ladder, tmp_path, Silent())
    assert climbed.chosen is None
    assert [row.status for row in climbed.rows] == ["passed", "refused"]
    assert kept_float(climbed.rows) == ["kept float: dynamic int8 does not answer as its model does"]


def test_a_candidate_is_saved_by_its_most_sensitive_node_in_float(
    ladder: Ladder, timed: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    worst = next(iter(output_errors(onnx.load(str(ladder.float_model.path)), ladder.known.feeds)))
    honest = Dynamic.quantize

    def spoilt(self: Dynamic, model: OnnxModel, path: Path, known: Circumstances = ANY) -> OnnxModel:
        made = honest(self, model, path, known)
        if worst not in known.keep_float:
            scramble(made.path)
        return made

    monkeypatch.setattr(Dynamic, "quantize", spoilt)
    candidates(monkeypatch, Dynamic())
    climbed = climb(ladder, tmp_path, Silent())
    assert [(row.status, worst in row.kept_float, row.chosen) for row in climbed.rows[1:]] == [
        ("missed", False, False),
        ("passed", True, True),
    ]


def test_float_that_ships_says_why(
    ladder: Ladder, timed: dict[str, float], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    candidates(monkeypatch, Dynamic())
    timed |= {"dynamic int8": 0.8}
    climbed = climb(ladder, tmp_path / "slow", Silent())
    assert climbed.chosen is None
    assert kept_float(climbed.rows) == ["kept float: dynamic int8 was 0.80 times as fast"]
    timed |= {"dynamic int8": 2.0}
    assert kept_float(climb(ladder, tmp_path / "fast", Silent()).rows) == []


def stage_of(
    folder: Path, options: Any, trained: Trained, exported: OnnxModel, rows: Rows
) -> tuple[Quantized, Stage]:
    workshop = Workshop(Stages(folder), Silent(), Compute("cpu", False), 13, "accuracy", ())
    made = quantize_stage(
        workshop, options, Stage(trained.folder, "of"), exported, trained, rows, "student-int8"
    )
    place = max(folder.glob("student-int8-*"), key=lambda one: one.stat().st_mtime_ns)
    return made, Stage(place, "")


def test_the_stage_keeps_the_chosen_file_its_proof_and_what_was_tried(
    trained: Trained,
    exported: OnnxModel,
    rows: Rows,
    timed: dict[str, float],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    candidates(monkeypatch, Dynamic(), Static())
    timed |= {"dynamic int8": 3.0}
    made, stage = stage_of(tmp_path, Auto(max_loss=0.2), trained, exported, rows)
    assert made.model is not None
    assert (made.model.precision, made.model.batching) == ("int8", "one_by_one")
    names = {path.name for path in stage.folder.iterdir()}
    assert names == {QUANTIZED_FILE, "parity.json", "ladder.json", "stage.json"}
    assert [finding.file for finding in made.parity] == [QUANTIZED_FILE]
    monkeypatch.setattr("compress.steps.quantized.climb", None)  # would fail if it were climbed again
    again, _ = stage_of(tmp_path, Auto(max_loss=0.2), trained, exported, rows)
    assert again == made


@pytest.mark.parametrize(
    ("options", "precision", "batching"),
    [
        (Dynamic(), "int8", "one_by_one"),
        (Static(calibration_texts=8), "int8", "batch"),
        (WeightsOnly(), "int8-weights", "batch"),
    ],
)
def test_a_named_quantiser_tells_precision_and_batching_again_from_disk(
    options: Any,
    precision: str,
    batching: str,
    trained: Trained,
    exported: OnnxModel,
    rows: Rows,
    tmp_path: Path,
) -> None:
    for _ in range(2):
        made, _ = stage_of(tmp_path, options, trained, exported, rows)
        assert made.model is not None
        assert (made.model.precision, made.model.batching) == (precision, batching)


def test_a_named_quantiser_that_returns_noise_ends_the_run(
    trained: Trained, exported: OnnxModel, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    honest = Dynamic.quantize

    def noise(self: Dynamic, model: OnnxModel, path: Path, known: Circumstances = ANY) -> OnnxModel:
        made = honest(self, model, path, known)
        scramble(made.path)
        return made

    monkeypatch.setattr(Dynamic, "quantize", noise)
    with pytest.raises(ProofError, match="relative rms difference"):
        stage_of(tmp_path, Dynamic(), trained, exported, rows)
    assert not list(tmp_path.rglob("stage.json"))


def test_saturation_is_avoided_on_a_processor_without_vnni(
    trained: Trained, exported: OnnxModel, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("export.parity.INT8_TOLERANCE", 2.0)  # this processor may be the one without
    largest = {}
    for flags in (["avx2"], ["avx2", "avx512_vnni"]):
        told = machine().model_copy(update={"instruction_set": flags})
        monkeypatch.setattr("compress.steps.quantized.machine", lambda told=told: told)
        made, _ = stage_of(tmp_path, Dynamic(), trained, exported, rows)
        assert made.model is not None
        largest[flags[-1]] = max(
            int(np.abs(numpy_helper.to_array(tensor).astype(int)).max())
            for tensor in onnx.load(str(made.model.path)).graph.initializer
            if tensor.data_type == TensorProto.INT8
        )
        assert len(seven_bits(made.model)) == (flags[-1] == "avx2")
    assert largest["avx2"] <= 64 < largest["avx512_vnni"]  # 255 * 64 twice fits 16 bits


def test_a_ladder_is_climbed_again_where_it_was_timed_elsewhere_or_beside_busy_neighbours(
    trained: Trained, exported: OnnxModel, rows: Rows, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    climbs = []

    def climbed(ladder: Ladder, *_: object) -> Climbed:
        climbs.append(ladder)
        return Climbed(None, [], noisy=len(climbs) == 1)

    monkeypatch.setattr("compress.steps.quantized.climb", climbed)
    monkeypatch.setattr("compress.steps.quantized.shutil.rmtree", lambda _: None)
    for expected in (1, 2, 2):  # the first was noisy, the second is kept
        stage_of(tmp_path, Auto(), trained, exported, rows)
        assert len(climbs) == expected
    other = machine().model_copy(update={"processor": "another"})
    monkeypatch.setattr("compress.steps.quantized.machine", lambda: other)
    stage_of(tmp_path, Auto(), trained, exported, rows)
    assert len(climbs) == 3
