"""Scores and retention over several seeds, whose models answer the same rows."""

import numpy as np
import pytest

from compress.judge.bootstrap import retention_interval, score_interval
from compress.judge.metrics import Ids
from compress.judge.pooled import pooled_retention, pooled_score


def simulated(rows: int = 400) -> tuple[Ids, Ids, Ids]:
    """Gold labels (rows,), three students (3, rows), a teacher (rows,); the same rows are hard for all."""
    random = np.random.default_rng(0)
    gold, easy = random.integers(3, size=rows), random.normal(size=rows)

    def answers(bar: float) -> Ids:
        own = 0.9 * easy + 0.4 * random.normal(size=rows)
        return np.where(own < bar, gold, (gold + 1) % 3)

    return gold, np.stack([answers(bar) for bar in (0.9, 1.0, 1.1)]), answers(1.4)


@pytest.mark.parametrize("metric", ["accuracy", "macro_f1"])
def test_seeds_of_hard_rows_do_not_make_an_interval_of_thrice_the_rows(metric: str) -> None:
    gold, students, _ = simulated()
    found = pooled_score(metric, gold, students, seed=0)  # type: ignore[arg-type]  # a metric
    singles = [score_interval(metric, gold, one, 3, seed=0) for one in students]  # type: ignore[arg-type]  # too
    assert found.value == pytest.approx(np.mean([one.value for one in singles]))
    width = np.mean([np.ptp(one.ci) for one in singles])
    assert 0.8 * width < np.ptp(found.ci) <= width  # independent rows would give 0.58


def test_one_seed_is_the_single_models_interval() -> None:
    gold, students, teacher = simulated()
    assert pooled_score("matthews", gold, students[:1], seed=1) == score_interval(
        "matthews", gold, students[0], 3, seed=1
    )
    assert pooled_retention("accuracy", gold, students[:1], teacher, seed=1) == retention_interval(
        "accuracy", gold, students[0], teacher, 3, seed=1
    )


def test_the_pooled_retention_is_the_plain_bootstraps() -> None:
    gold, students, teacher = simulated()
    found = pooled_retention("accuracy", gold, students, teacher, seed=0)
    random = np.random.default_rng(1)
    rows = random.integers(400, size=(5_000, 400))
    ours, theirs = (students == gold).mean(axis=0)[rows].mean(axis=1), (teacher == gold)[rows].mean(axis=1)
    assert found is not None
    assert found.value == pytest.approx((students == gold).mean() / (teacher == gold).mean())
    assert found.ci == pytest.approx(tuple(np.quantile(ours / theirs, [0.025, 0.975])), abs=0.004)


def test_all_right_in_every_seed_is_no_proof_of_perfection() -> None:
    gold = np.array([0, 1] * 25)
    students = np.stack([gold, gold])
    score = pooled_score("accuracy", gold, students, seed=0)
    assert score.value == 1
    assert score.ci[0] < 0.95 < score.ci[1] == 1
    retention = pooled_retention("accuracy", gold, students, gold, seed=0)
    assert retention is not None
    assert retention.ci[0] < 0.95 < 1 < retention.ci[1]
    assert pooled_retention("accuracy", gold, students, 1 - gold, seed=0) is None
