"""A run with two teachers: their average is what the student learns from and is judged against."""

import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from mistakes import complaint, require, run_refused
from numpy.typing import NDArray
from tiny import TinyRun, answers_on_disk, write_csv

import compress
from compress.judge.report import Report
from compress.models.predict import TorchPredictor
from compress.models.trained import load_trained, save_trained

Array = NDArray[np.float64]
WEIGHTS = (1.0, 3.0)
QUICK = {"seconds": 1, "texts": 10, "threads": 1}


def softmax(logits: Array) -> Array:
    exponentials = np.exp(logits - logits.max(axis=-1, keepdims=True))
    return np.asarray(exponentials / exponentials.sum(axis=-1, keepdims=True))


@pytest.fixture(scope="module")
def first(tiny_run: TinyRun) -> Path:
    return tiny_run.teacher


@pytest.fixture(scope="module")
def second(first: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Another teacher: a head that is a little off, its outputs in another order and named otherwise."""
    folder = tmp_path_factory.mktemp("second")
    teacher = load_trained(first)
    generator = torch.Generator().manual_seed(3)
    head = teacher.model.classifier
    order = [teacher.labels.index(label) for label in ("travel", "food", "sport")]
    with torch.no_grad():
        head.weight.add_(torch.randn(head.weight.shape, generator=generator) * 0.4)
        head.weight.copy_(head.weight[order].clone())
        head.bias.copy_(head.bias[order].clone())
    save_trained(teacher.model, teacher.tokenizer, ("Travel", "food", "sport"), teacher.max_length, folder)
    return folder


@dataclass(frozen=True)
class Ensemble:
    folder: Path
    report: Report
    answers: dict[str, Array]


def recipe(tiny_run: TinyRun, first: Path, second: Path, **changes: Any) -> dict[str, Any]:
    teachers = [{"model": str(first), "weight": WEIGHTS[0]}, {"model": str(second), "weight": WEIGHTS[1]}]
    values = {**tiny_run.recipe, "teacher": teachers, "average": "probabilities", "benchmark": QUICK}
    values["distill"] = [{**tiny_run.recipe["distill"][0], "epochs": 2}]
    return values | changes


@pytest.fixture(scope="module")
def ensemble(
    tiny_run: TinyRun, first: Path, second: Path, tmp_path_factory: pytest.TempPathFactory
) -> Ensemble:
    folder = tmp_path_factory.mktemp("several")
    gates = {"min_agreement": 0.6, "min_retention": 0.6}
    report = compress.run(recipe(tiny_run, first, second, gates=gates), out=folder)
    assert isinstance(report, Report)
    return Ensemble(folder, report, answers_on_disk(folder))


def test_the_average_and_each_teacher_have_a_row(ensemble: Ensemble) -> None:
    rows = {(row.name, row.runtime, row.precision): row for row in ensemble.report.models}
    assert list(rows) == [
        ("teacher", "torch", "fp32"),
        ("teacher 1", "torch", "fp32"),
        ("teacher 2", "torch", "fp32"),
        ("student", "onnxruntime", "fp32"),
        ("student", "onnxruntime", "int8"),
    ]
    average, one, two, *_ = ensemble.report.models
    assert average.parameters == one.parameters + two.parameters
    assert average.size_mb == pytest.approx(one.size_mb + two.size_mb)
    assert min(one.score, two.score) > 0.6  # the second one's labels were not mixed up
    assert average.latency
    assert list(ensemble.report.by_teacher) == ["teacher 1 torch fp32", "teacher 2 torch fp32"]


def test_the_average_is_that_of_the_answers_on_disk(ensemble: Ensemble) -> None:
    one, two = (ensemble.answers[f"teacher {number} torch fp32"] for number in (1, 2))
    assert np.abs(one - two).max() > 0.05
    expected = (WEIGHTS[0] * one + WEIGHTS[1] * two) / sum(WEIGHTS)
    np.testing.assert_allclose(ensemble.answers["teacher torch fp32"], expected, atol=1e-6)


def test_the_verdict_is_against_the_average(ensemble: Ensemble) -> None:
    from compress.prepare import prepare
    from compress.recipe_file import check_recipe

    config = check_recipe(ensemble.report.recipe)
    gold = prepare(config).splits.test.labels  # type: ignore[arg-type]  # no general recipe
    assert gold is not None
    student = ensemble.answers["student onnxruntime int8"]

    def against(name: str) -> tuple[float, float, float]:
        teacher = ensemble.answers[name]
        agreement = float((student.argmax(axis=1) == teacher.argmax(axis=1)).mean())
        kept = (student.argmax(axis=1) == gold).mean() / (teacher.argmax(axis=1) == gold).mean()
        return agreement, float(kept), float((teacher * np.log(teacher / student)).sum(axis=1).mean())

    found = ensemble.report.fidelity
    assert (found.agreement, found.retention, found.kl) == pytest.approx(against("teacher torch fp32"))
    for name, one in ensemble.report.by_teacher.items():
        assert (one.agreement, one.retention, one.kl) == pytest.approx(against(name))
    values = {gate.name: gate.value for gate in ensemble.report.gates}
    agreement, retention, _ = against("teacher torch fp32")
    assert values == pytest.approx({"min_agreement": agreement, "min_retention": retention})


def test_the_student_learns_from_the_average(ensemble: Ensemble, first: Path, second: Path) -> None:
    (logits,) = ensemble.folder.glob("stages/teacher-logits-*/logits.npz")
    from compress.prepare import prepare
    from compress.recipe_file import check_recipe

    texts = prepare(check_recipe(ensemble.report.recipe)).splits.train.texts  # type: ignore[arg-type]  # no general recipe
    one, two = (
        TorchPredictor(load_trained(folder)).logits(texts).astype(np.float64) for folder in (first, second)
    )
    two = two[:, [1, 2, 0]]  # travel, food, sport to food, sport, travel
    expected = (WEIGHTS[0] * softmax(one) + WEIGHTS[1] * softmax(two)) / sum(WEIGHTS)
    with np.load(logits) as arrays:
        np.testing.assert_allclose(softmax(arrays["train"].astype(np.float64)), expected, atol=1e-5)


def test_a_layer_method_is_refused_before_anything_is_done(
    tiny_run: TinyRun, first: Path, second: Path, tmp_path: Path
) -> None:
    stages = [{"method": "logits"}, {"method": "tinybert"}, {"method": "logits"}]
    said = run_refused(recipe(tiny_run, first, second, distill=stages), tmp_path)
    require(
        " ".join(said.split()),
        "distill.1: the method tinybert looks into its teacher, and the recipe has 2 teachers",
        "keep one teacher, or change the method",
    )
    assert not (tmp_path / "run").exists()


def test_a_layer_method_of_a_comparison_is_refused_before_anything_is_done(
    tiny_run: TinyRun, first: Path, second: Path, tmp_path: Path
) -> None:
    import json

    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe(tiny_run, first, second)))
    said = complaint("compare", str(file), "--methods", "logits,minilm", "--out", str(tmp_path / "run"))
    require(
        " ".join(said.split()), "--methods minilm+logits (1 of 2): the method minilm looks into its teacher"
    )
    assert not (tmp_path / "run").exists()


def test_teachers_of_other_labels_are_refused_before_anything_is_done(
    tiny_run: TinyRun, first: Path, tmp_path: Path
) -> None:
    """Without labels in the data nothing else would hold the two against each other."""
    data = write_csv(tmp_path / "texts.csv", [(f"text {number}", str(number)) for number in range(60)])
    other = tmp_path / "other"
    shutil.copytree(first, other)
    teacher = load_trained(first)
    save_trained(teacher.model, teacher.tokenizer, ("a", "b", "c"), teacher.max_length, other)
    values = recipe(tiny_run, first, other, data={"path": str(data), "columns": {"label": None}})
    said = run_refused(values, tmp_path)
    require(said, "teacher 2 knows the labels a, b, c", "food, sport, travel", "the same labels")
    assert not (tmp_path / "run").exists()


def test_several_teachers_without_a_student_are_refused(
    tiny_run: TinyRun, first: Path, second: Path, tmp_path: Path
) -> None:
    values = recipe(tiny_run, first, second)
    del values["student"], values["distill"]
    require(run_refused(values, tmp_path), "an average of models cannot be exported", "keep one teacher")
    assert not (tmp_path / "run").exists()
