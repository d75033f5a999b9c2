"""What is said of every task: the verdict, the same from the bundle alone, the plan, the inspection."""

import pytest
from done import Done
from rich.console import Console

import serve
from compress.inspection import inspect_bundle, render
from compress.judge.latency import Plan
from compress.plan import make_plan
from compress.progress import Silent
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe
from compress.verify.pipeline import verify_bundle
from serve.bundle import read


def test_every_model_was_exported_in_the_form_that_is_tried_first(done: Done) -> None:
    """A form that the proof refuses is passed over for a slower one, and the run goes on."""
    tried_first = [one for one in done.run.report.exports if one.name == "opset-23"]
    assert {(one.proven, one.reason) for one in tried_first} == {(True, None)}


def test_the_verdict_rests_on_the_metric_of_the_field(done: Done) -> None:
    report = done.run.report
    teacher, shipped = report.models[0], report.models[-1]
    assert teacher.score > done.case.least
    assert teacher.score_ci[0] < teacher.score_ci[1]
    assert teacher.score_ci[0] <= teacher.score <= teacher.score_ci[1]
    labels = [done.case.gold(row) for row in done.rows]
    answers = [done.case.answer(answer) for answer in serve.load(done.run.bundle).predict(done.asked)]
    assert shipped.score == pytest.approx(done.case.metric(labels, answers), abs=1e-6)
    fidelity = report.fidelity
    assert fidelity.retention == pytest.approx(shipped.score / teacher.score)
    assert fidelity.retention_ci is not None
    assert fidelity.retention_ci[0] <= fidelity.retention <= fidelity.retention_ci[1]
    assert fidelity.agreement > 0.3
    assert {gate.status for gate in report.gates} == {"pass"}
    if done.run.recipe.get("baseline"):
        assert report.baseline is not None
        assert report.baseline.gain_ci[0] <= report.baseline.gain <= report.baseline.gain_ci[1]
    assert (done.run.folder / "report.html").stat().st_size > 10_000
    assert shipped.precision == "int8"


def test_a_verification_finds_the_score_of_the_report(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("compress.verify.pipeline.pilot", lambda *_, **__: Plan(5, 5))
    found = verify_bundle(done.run.bundle, None, Silent())
    assert found.score == pytest.approx(done.run.report.models[-1].score, abs=1e-9)
    assert found.fidelity is not None
    assert found.fidelity.agreement == pytest.approx(done.run.report.fidelity.agreement, abs=1e-9)
    assert found.fidelity.retention == pytest.approx(done.run.report.fidelity.retention, abs=1e-4)


def test_the_plan_and_the_inspection_say_what_it_is(done: Done) -> None:
    config = check_recipe(dict(done.run.recipe))
    assert isinstance(config, RunConfig)
    plan = make_plan(config, Silent())
    assert plan.rows["test"] == len(done.rows)
    assert plan.labels == read(done.run.bundle).manifest.labels
    console = Console(width=200)
    with console.capture() as shown:
        console.print(render(inspect_bundle(done.run.bundle)))
    about = {
        "single-label": "3 labels: ",
        "multi-label": "any of 3 labels: food from 0.",
        "regression": "a number",
        "embeddings": "a vector of 32 numbers (mean pooling)",
        "token-classification": "entities of 2 types: food, sport",
        "question-answering": "answers of up to 15 tokens of the context, or none",
    }
    task = read(done.run.bundle).manifest.task
    assert f"{task}, {about[done.case.name]}" in shown.get()
