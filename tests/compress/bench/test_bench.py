"""`compress bench` on a real bundle: fixed lengths, the document, what it says of mistakes, and no torch."""

import json
import shutil
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from made_once import made_once
from rich.console import Console
from task_bundles import Recipe, make_bundles
from task_recipes import RECIPES

import serve
from compress.bench.asked import numbers
from compress.bench.cold import ColdStart
from compress.bench.contenders import Answerer, contenders
from compress.bench.document import Bench
from compress.bench.placement import placement, require_placement
from compress.bench.plot import figure, write_plot
from compress.bench.rounds import Draw, Measured, Times
from compress.bench.table import render, short_names
from compress.bench.texts import texts_of_length
from compress.cli import main
from serve.bundle import EVALUATION, read
from serve.encoding import read_tokenizer
from serve.errors import InputError, UserError
from serve.tasks import SingleLabel

WITHOUT_CUDA = pytest.mark.skipif(
    "CUDAExecutionProvider" in ort.get_available_providers(), reason="this machine's ONNX Runtime has CUDA"
)


@pytest.fixture(scope="module")
def compared(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with two equal bundles, `one` and `other`, and what the command printed of them."""

    def compare(folder: Path) -> None:
        for name in ("one", "other"):
            shutil.copytree(bundle_folder, folder / name)
        command = [sys.executable, "-X", "importtime", "-m", "compress", "bench", str(folder / "one")]
        command += ["--against", str(folder / "other"), "--batch-sizes", "1,3", "--lengths", "6"]
        command += ["--threads", "1", "--seconds", "1", "--json"]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        (folder / "bench.json").write_text(done.stdout)
        (folder / "said.txt").write_text(done.stderr)

    return made_once("bench", tmp_path_factory, compare)


@pytest.fixture(scope="module")
def found(compared: Path) -> Bench:
    return Bench.model_validate_json((compared / "bench.json").read_text())


def test_a_server_that_has_no_torch_can_be_timed(compared: Path) -> None:
    said = (compared / "said.txt").read_text().splitlines()
    imported = {line.rpartition("|")[2].strip() for line in said if "import time" in line}
    assert "onnxruntime" in imported
    assert not {"torch", "transformers"} & imported


def test_every_model_has_every_combination(found: Bench, compared: Path) -> None:
    one, other = found.models
    assert (one.name, one.reference, other.reference) == (str(compared / "one"), True, False)
    assert {(cell.model, cell.batch) for cell in found.cells} == {
        (model.name, batch) for model in found.models for batch in (1, 3)
    }
    for cell in found.cells:
        assert cell.tokens == 6
        assert cell.p50.ms <= cell.p95.ms <= cell.p99.ms
        assert cell.texts_per_second > 0
        assert cell.ratio_ci[0] <= cell.ratio <= cell.ratio_ci[1]
    assert "bench" in found.reproduce
    assert "--json" not in found.reproduce


def test_the_same_model_twice_is_as_fast(found: Bench) -> None:
    for cell in found.cells:
        assert 0.4 < cell.ratio < 2.5


def test_a_cold_start_takes_longer_than_an_answer(found: Bench) -> None:
    for model in found.models:
        assert model.cold_start_s > found.cells[0].p50.ms / 1000
        assert 20 < model.peak_memory_mb < 2000


@pytest.mark.parametrize("length", [3, 6, 16])
def test_texts_of_a_length_have_it(bundle_folder: Path, length: int) -> None:
    bundle = read(bundle_folder)
    texts = texts_of_length(["a good film", "it was cold but lovely"], bundle, length, 5)
    tokenizer = read_tokenizer(bundle.tokenizer_path)
    assert [len(tokenizer.encode(text).ids) for text in texts] == [length] * 5
    with pytest.raises(InputError, match="at most 16 tokens"):
        texts_of_length(texts, bundle, 17, 1)


@pytest.mark.parametrize("text", ["", "1,two", "0", "1,1", "-1"])
def test_numbers_that_are_none_are_refused(text: str) -> None:
    with pytest.raises(UserError, match="--batch-sizes"):
        numbers("--batch-sizes", text)


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["--texts", "missing.txt"], "--texts missing.txt is no file"),
        (["--against", "./nowhere"], "no model folder at ./nowhere"),
        (["--against", "./nowhere"], "expected: a bundle, or a folder with config.json"),
        (["--against", "./nowhere"], "to do: check --against;"),
        (["--texts", "texts.csv"], "a .txt file with one text in each line"),
        (["--against", "BUNDLE"], "different models"),
        (["--lengths", "99"], "at most 16 tokens"),
        (["--device", "tpu"], "cpu or cuda"),
        pytest.param(["--device", "cuda"], "pip install onnxruntime-gpu", marks=WITHOUT_CUDA),
    ],
)
def test_mistakes_are_told_before_anything_is_timed(
    arguments: list[str],
    told: str,
    bundle_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    given = [str(bundle_folder) if one == "BUNDLE" else one for one in arguments]
    monkeypatch.setattr(sys, "argv", ["compress", "bench", str(bundle_folder), *given])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert told in capsys.readouterr().err


def test_a_model_of_another_task_is_not_compared(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    other = tmp_path / "other"
    shutil.copytree(bundle_folder, other)
    manifest = json.loads((other / "bundle.json").read_text())
    (other / "bundle.json").write_text(json.dumps(manifest | {"task": "sentence-similarity"}))
    monkeypatch.setattr(sys, "argv", ["compress", "bench", str(bundle_folder), "--against", str(other)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    said = capsys.readouterr().err
    assert f"{other} answers sentence-similarity, and {bundle_folder} answers text-classification" in said
    assert "models of one task" in said


def _asked_once(opened: Mapping[str, Answerer], draw: Draw, *_: object) -> Measured:
    """Every model once, text to answer and alone; made-up times."""
    batch = draw(np.random.default_rng(0))
    for one in opened.values():
        one.predict(batch)
        one.logits_of(one.tokens(batch))
    ones = np.ones((5, 2))
    return Measured({name: Times(ones, ones) for name in opened}, 5, 0)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.name)
def test_every_task_is_timed_on_its_own_rows_and_at_a_length(
    recipe: Recipe,
    bundle_folder: Path,
    report: dict[str, Any],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    """Pairs as they are asked, embeddings text by text; one call each, since what is timed is not looked at."""
    made = make_bundles(recipe, tmp_path, bundle_folder, report)
    tokenizer = read_tokenizer(read(made.student).tokenizer_path)
    asked = [[row["text"], row["text_pair"]] if made.pairs else [row["text"]] for row in made.rows]
    if made.name == "embeddings":
        asked = [[text] for texts in asked for text in texts]
    own = [len(tokenizer.encode(*texts).ids) for texts in asked]
    monkeypatch.setattr("compress.bench.pipeline._timed", _asked_once)
    monkeypatch.setattr("compress.bench.pipeline.cold_start", lambda *_: ColdStart(0.1, 60.0))
    for extra in ([], ["--lengths", "12"]):
        command = ["bench", str(made.student), "--against", str(made.teacher), "--threads", "1", "--json"]
        monkeypatch.setattr(sys, "argv", ["compress", *command, *extra])
        with pytest.raises(SystemExit) as stopped:
            main()
        assert stopped.value.code == 0
        found = Bench.model_validate_json(capsys.readouterr().out)
        assert [cell.model for cell in found.cells] == [str(made.student), str(made.teacher)]
        assert found.cells[0].tokens == (12 if extra else pytest.approx(np.mean(own)))


def test_a_bundle_without_rows_asks_for_texts(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    bare = tmp_path / "bundle"
    shutil.copytree(bundle_folder, bare)
    (bare / EVALUATION).unlink()
    manifest = json.loads((bare / "bundle.json").read_text())
    del manifest["files"][EVALUATION]
    (bare / "bundle.json").write_text(json.dumps(manifest))
    monkeypatch.setattr(sys, "argv", ["compress", "bench", str(bare)])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert stopped.value.code == 2
    assert "--texts FILE.txt" in capsys.readouterr().err


def test_the_plot_shows_every_model_and_needs_no_network(found: Bench, tmp_path: Path) -> None:
    page = write_plot(found, tmp_path / "out")
    assert Bench.model_validate_json((tmp_path / "out/bench.json").read_text()) == found
    text = page.read_text()
    assert "cdn.plot.ly" not in text.partition("<body>")[0]
    lines = list(figure(found).data)
    assert len(lines) == len(found.cells)
    for line, cell in zip(lines, sorted(found.cells, key=lambda one: one.batch), strict=True):
        assert line.y[0].startswith(cell.model)
        assert tuple(line.x) == (cell.p50.ms, cell.p95.ms, cell.p99.ms)


def test_the_profile_says_where_each_operator_was_computed(bundle_folder: Path) -> None:
    runtime = serve.load(bundle_folder)
    seen = placement(read(bundle_folder).model_path, runtime.arrays(["a good film"]), "cpu")
    assert list(seen) == ["CPUExecutionProvider"]
    operators = {node.op_type for node in onnx.load(str(read(bundle_folder).model_path)).graph.node}
    assert set(seen["CPUExecutionProvider"]) <= operators | {"FusedMatMul", "MatMulAddFusion", "Gemm"}
    require_placement(seen, "cpu", "it")


def test_a_bundle_that_is_not_computed_on_the_gpu_is_not_timed(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The session says that it is on the GPU; its profile says where it really is."""
    load = serve.load
    monkeypatch.setattr("serve.load", lambda name, *, threads, device: load(name, threads=threads))
    monkeypatch.setattr(
        "compress.bench.placement.placement", lambda path, arrays, device: placement(path, arrays, "cpu")
    )
    (one,) = contenders(str(bundle_folder), "cuda", SingleLabel())
    with pytest.raises(UserError, match="is not computed on cuda alone"):
        one.opened(1)
    (here,) = contenders(str(bundle_folder), "cpu", SingleLabel())
    monkeypatch.setattr("serve.load", load)
    here.opened(1)


def test_a_long_path_does_not_fill_the_table(found: Bench, capsys: pytest.CaptureFixture[str]) -> None:
    Console(width=80).print(render(found))
    first, _, second = capsys.readouterr().out.partition("cold start")
    names = [model.name for model in found.models]
    short = short_names(names)
    assert set(short) == set(names)
    assert len(set(short.values())) == len(names)
    assert all(name not in first for name in names)
    assert all(shown in first for shown in short.values())
    assert second
    assert short_names(["runs/a/bundle", "runs/b/bundle", "x"]) == {
        "runs/a/bundle": "a/bundle",
        "runs/b/bundle": "b/bundle",
        "x": "x",
    }
    assert short_names(["only/one/"]) == {"only/one/": "one"}


def test_an_operator_that_is_not_on_the_gpu_is_an_error() -> None:
    shapes = {"CUDAExecutionProvider": {"MatMul": 12}, "CPUExecutionProvider": {"Shape": 2, "Gather": 1}}
    require_placement(shapes, "cuda", "it")
    int8 = {**shapes, "CPUExecutionProvider": {"DynamicQuantizeLinear": 12, "Shape": 2}}
    with pytest.raises(UserError, match=r"DynamicQuantizeLinear \(12\) with CPUExecutionProvider"):
        require_placement(int8, "cuda", "it")
    with pytest.raises(UserError, match="no node is"):
        require_placement({"CPUExecutionProvider": {"Shape": 2}}, "cuda", "it")
