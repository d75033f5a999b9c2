"""From recorded answers to the comparison: what is scored, what is chosen, what is said."""

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace

import numpy as np
import pytest
from pydantic import ValidationError
from sklearn.metrics import accuracy_score, f1_score

from compress.compare.report import Comparison, MethodRow, Setting, StudentRun, compare_rows
from compress.data.rows import Rows
from compress.judge.metrics import Ids
from compress.judge.paired import mcnemar, paired_difference
from compress.tasks import task_named

Make = Callable[..., Comparison]
Runs = Callable[..., list[StudentRun]]
Common = Callable[..., Setting]


def row(comparison: Comparison, name: str) -> MethodRow:
    (found,) = [row for row in comparison.methods if row.name == name]
    return found


def test_a_row_holds_what_its_model_did(make_runs: Runs, make_setting: Common, gold: Ids) -> None:
    runs = {run.method: run for run in make_runs()}
    comparison = compare_rows(list(runs.values()), gold, make_setting())
    ours, plain, teacher = (runs[name].predicted for name in ("minilm+logits", "plain", "teacher"))
    found = row(comparison, "minilm+logits")
    assert found.score == pytest.approx(accuracy_score(gold, ours))
    assert found.agreement == pytest.approx((ours == teacher).mean())
    assert found.retention == pytest.approx(accuracy_score(gold, ours) / accuracy_score(gold, teacher))
    assert found.training_seconds == 600
    assert found.gain is not None
    assert found.gain.value == pytest.approx(accuracy_score(gold, ours) - accuracy_score(gold, plain))
    assert found.gain.ci == paired_difference("accuracy", gold, ours, plain, 2, seed=13).ci
    test = mcnemar(gold, ours, plain)
    assert (found.gain.only_method, found.gain.only_plain) == (test.only_ours, test.only_theirs)
    assert found.gain.p_value == pytest.approx(test.p_value)
    (seed,) = found.seeds
    assert (seed.seed, seed.learning_rate, seed.file) == (13, 1e-4, "compare/minilm+logits-13.npz")
    assert seed.predicted_sha256 == hashlib.sha256(ours.astype("<i8").tobytes()).hexdigest()


def test_the_teacher_comes_first_and_the_floor_last_and_neither_is_a_contestant(
    make_comparison: Make,
) -> None:
    comparison = make_comparison({"logits": 0.87, "plain": 0.86, "minilm": 0.9})
    assert [row.name for row in comparison.methods] == ["teacher", "plain", "logits", "minilm", "tf-idf"]
    assert [row.kind for row in comparison.methods] == ["teacher", "plain", "distilled", "distilled", "floor"]
    for name in ("teacher", "plain", "tf-idf"):
        assert row(comparison, name).gain is None
    assert row(comparison, "teacher").agreement is None
    assert comparison.best == "minilm"  # teacher and floor have the higher selection scores here


def test_seeds_are_averaged_pair_by_pair(make_runs: Runs, make_setting: Common, gold: Ids) -> None:
    runs = make_runs(seeds=(1, 2, 3))
    found = row(compare_rows(runs, gold, make_setting("macro_f1")), "logits")

    def scores(name: str) -> list[float]:
        return [f1_score(gold, run.predicted, average="macro") for run in runs if run.method == name]

    assert found.score == pytest.approx(np.mean(scores("logits")))
    assert [seed.score for seed in found.seeds] == pytest.approx(scores("logits"))
    assert found.training_seconds == 1_800
    assert found.gain is not None
    assert found.gain.value == pytest.approx(np.mean(scores("logits")) - np.mean(scores("plain")))
    assert found.gain.ci_seeds is not None
    assert found.gain.interval == found.gain.ci_seeds


def test_a_seed_that_the_plain_student_lacks_is_not_held_against_another(
    make_runs: Runs, make_setting: Common, gold: Ids
) -> None:
    runs = make_runs(seeds=(1, 2))
    kept = [run for run in runs if (run.method, run.seed) != ("plain", 2)]
    found = row(compare_rows(kept, gold, make_setting()), "logits")
    assert found.gain is not None
    assert found.gain.seeds == [1]
    assert len(found.seeds) == 2
    strangers = [replace(run, seed=7) if run.method == "plain" else run for run in runs if run.seed != 2]
    assert row(compare_rows(strangers, gold, make_setting()), "logits").gain is None


def test_it_helped(make_comparison: Make) -> None:
    comparison = make_comparison()
    assert comparison.helped is True
    gain = row(comparison, "minilm+logits").gain
    assert gain is not None
    low, high = (f"{100 * bound:.1f}" for bound in gain.ci)
    assert comparison.sentence == (
        f"distillation helped: minilm+logits gains {100 * gain.value:.1f} points over the plain student "
        f"[{low}, {high}] on the same 872 rows"
    )


def test_it_may_be_chance(make_comparison: Make) -> None:
    comparison = make_comparison({"plain": 0.86, "logits": 0.865, "minilm": 0.862})
    assert comparison.helped is None
    assert comparison.sentence.startswith(
        "no method beat the plain student beyond chance: logits, best of the methods by selection score, gains"
    )


def test_it_hurt(make_comparison: Make) -> None:
    comparison = make_comparison({"plain": 0.9, "logits": 0.84})
    assert comparison.helped is False
    assert comparison.sentence.startswith(
        "distillation did not help: logits loses 6.0 points against the plain"
    )
    assert comparison.best == "plain"


def test_the_reported_rows_do_not_choose(make_runs: Runs, make_setting: Common, gold: Ids) -> None:
    """The best on the reported rows has the lower selection score: it is named, but it is not the answer."""
    runs = [
        replace(run, selection_score=0.95) if run.method == "logits" else run
        for run in make_runs({"plain": 0.86, "logits": 0.865, "minilm": 0.91})
    ]
    comparison = compare_rows(runs, gold, make_setting())
    assert comparison.best == "logits"
    assert comparison.helped is None
    assert comparison.sentence.startswith(
        "not settled: logits, best of the methods by selection score, gains"
    )
    assert comparison.sentence.endswith("; minilm gained there, but was not chosen beforehand")


def test_a_few_rows_are_not_beyond_chance(make_setting: Common) -> None:
    """Three rows to none: a bootstrap interval above 0, and a coin that fell the same way three times."""
    gold = np.ones(100, dtype=np.int64)
    plain = np.r_[np.ones(90), np.zeros(10)].astype(np.int64)
    ours = np.r_[np.ones(93), np.zeros(7)].astype(np.int64)
    comparison = compare_rows(
        [StudentRun("plain", 1, plain), StudentRun("logits", 1, ours)], gold, make_setting()
    )
    gain = row(comparison, "logits").gain
    assert gain is not None
    assert gain.ci[0] > 0
    assert comparison.helped is None


def test_what_cannot_be_known_is_said(make_runs: Runs, make_setting: Common, gold: Ids) -> None:
    without_plain = compare_rows(make_runs({"logits": 0.87}), gold, make_setting())
    assert (without_plain.helped, without_plain.best) == (None, "logits")
    assert "no method stands beside a plain student" in without_plain.sentence
    unselected = [replace(run, selection_score=None) for run in make_runs()]
    nothing_to_choose_by = compare_rows(unselected, gold, make_setting())
    assert (nothing_to_choose_by.helped, nothing_to_choose_by.best) == (None, None)
    assert "no selection score" in nothing_to_choose_by.sentence


def test_without_labels_the_score_is_agreement(make_runs: Runs, make_setting: Common) -> None:
    comparison = compare_rows(make_runs({"logits": 0.87}), None, make_setting("macro_f1"))
    found = row(comparison, "logits")
    assert comparison.metric is None
    assert found.score == found.agreement
    assert found.retention is None
    with pytest.raises(ValueError, match="it has none"):
        compare_rows([run for run in make_runs() if run.method != "teacher"], None, make_setting())


def test_probabilities_give_kl_and_calibration(make_runs: Runs, make_setting: Common, gold: Ids) -> None:
    def sure(run: StudentRun, certainty: float) -> StudentRun:
        other = np.full((len(gold), 2), 1 - certainty)
        other[np.arange(len(gold)), run.predicted] = certainty
        return replace(run, probabilities=other)

    teacher, logits = (run for run in make_runs({"logits": 0.87}) if run.method != "tf-idf")
    comparison = compare_rows([sure(teacher, 0.9), sure(logits, 0.8)], gold, make_setting())
    (seed,) = row(comparison, "logits").seeds
    agree = (teacher.predicted == logits.predicted).mean()
    same, other = (
        0.9 * np.log(0.9 / 0.8) + 0.1 * np.log(0.1 / 0.2),
        0.9 * np.log(0.9 / 0.2) + 0.1 * np.log(0.1 / 0.8),
    )
    assert seed.kl == pytest.approx(agree * same + (1 - agree) * other)
    assert seed.ece == pytest.approx(abs((logits.predicted == gold).mean() - 0.8))
    (taught,) = row(comparison, "teacher").seeds
    assert taught.kl is None


def test_the_document_comes_back_from_json_and_takes_nothing_else(make_comparison: Make) -> None:
    comparison = make_comparison(seeds=(1, 2))
    text = comparison.model_dump_json()
    assert next(iter(json.loads(text).items())) == ("schema", 1)
    assert Comparison.model_validate_json(text) == comparison
    with pytest.raises(ValidationError, match="Extra inputs"):
        Comparison.model_validate({**json.loads(text), "speed": 1})
    with pytest.raises(ValidationError, match="schema"):
        Comparison.model_validate({**json.loads(text), "schema": 2})


def test_runs_that_do_not_fit_are_refused(make_runs: Runs, make_setting: Common, gold: Ids) -> None:
    runs = make_runs()
    with pytest.raises(ValueError, match=r"minilm\+logits has a seed twice: \[13, 13\]"):
        compare_rows([*runs, runs[-1]], gold, make_setting())
    with pytest.raises(ValueError, match=r"teacher with seed 13 answered \(872,\), expected \(870,\)"):
        compare_rows(runs[1:], gold[:870], make_setting())
    with pytest.raises(ValueError, match="no student"):
        compare_rows(runs[:2], gold, make_setting())


@pytest.mark.parametrize("problem", ["regression", "multi_label_classification"])
def test_other_tasks_are_compared_by_their_own_metric(make_setting: Common, problem: str) -> None:
    random = np.random.default_rng(0)
    task = task_named("text-classification", problem)
    if problem == "regression":
        gold = random.normal(size=300).astype(np.float32)
        answers = {noise: gold[:, None] + noise * random.normal(size=(300, 1)) for noise in (0.1, 0.2, 0.9)}
        task = task.settled(gold)
    else:
        gold = (random.random((300, 3)) < 0.4).astype(np.float32)
        likely = {noise: gold + noise * random.normal(size=gold.shape) for noise in (0.1, 0.4, 0.9)}
        answers = {noise: np.stack([found, found > 0.5], axis=-1) for noise, found in likely.items()}
    test = Rows(["a"] * 300, gold)
    metric = task.metrics[0]
    runs = [
        StudentRun(name, 1, task.marks(metric, found, test), found, selection_score=-noise)
        for name, (noise, found) in zip(("teacher", "logits", "plain"), answers.items(), strict=True)
    ]
    marks = task.gold_marks(metric, test)
    comparison = compare_rows(runs, marks, make_setting(metric=metric, judged=task), test)
    found = row(comparison, "logits")
    assert comparison.helped
    assert found.gain is not None
    assert found.gain.p_value < 0.05
    assert (found.gain.only_method is None) == (problem == "regression")
    assert found.score_ci[0] < found.score < found.score_ci[1]
    assert found.retention is not None
    assert found.retention < 1
    teacher, student = answers[0.1], list(answers.values())[1]
    assert found.agreement == pytest.approx(task.same(teacher, student).mean())
