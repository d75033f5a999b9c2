"""A comparison with known differences between methods, to vary in tests."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np
import pytest

from compress.compare.report import Comparison, Setting, Student, StudentRun, compare_rows
from compress.judge.metrics import Ids

ROWS = 872
METHODS = {"plain": 0.86, "logits": 0.87, "minilm+logits": 0.90}  # shares of rows that they get right


def setting(metric: str = "accuracy", **changes: object) -> Setting:
    """What all runs have in common."""
    fields: dict[str, object] = {
        "task": "text-classification",
        "metric": metric,
        "seed": 13,
        "student": Student(layers=3, parameters=17_388_290, size_mb=17.5, source="teacher"),
        "precision": "int8",
        "labels": ["negative", "positive"],
        "rows": {"train": 67_349, "validation": 1_000, "test": ROWS},
        "data_digest": "0" * 64,
        "recipe": {"seed": 13},
        "reproduce": "compress compare recipes/sst2.yaml",
    }
    return Setting(**{**fields, **changes})  # type: ignore[arg-type]  # fields by name


def gold_labels() -> Ids:
    return np.random.default_rng(0).integers(2, size=ROWS)


def trained(methods: Mapping[str, float] | None = None, seeds: Sequence[int] = (13,)) -> list[StudentRun]:
    """A teacher, a floor, and every method with every seed; the same rows are hard for all of them."""
    random = np.random.default_rng(4)
    gold, easy = gold_labels(), random.random(ROWS)

    def answers(share: float) -> Ids:
        own = 0.75 * easy + 0.25 * random.random(ROWS)
        return np.where(own <= np.quantile(own, share), gold, 1 - gold)

    runs = [
        StudentRun("tf-idf", 13, answers(0.8), selection_score=0.99, training_seconds=6.0),
        StudentRun("teacher", 13, answers(0.93), selection_score=0.99, training_seconds=4_200.0),
    ]
    for name, share in (METHODS if methods is None else methods).items():
        runs += [
            StudentRun(
                name,
                seed,
                answers(share),
                selection_score=share,
                training_seconds=600.0,
                learning_rate=1e-4,
                file=f"compare/{name}-{seed}.npz",
            )
            for seed in seeds
        ]
    return runs


@pytest.fixture
def make_comparison() -> Callable[..., Comparison]:
    """A comparison; `methods` are shares of right rows by name, the rest are fields of its setting."""

    def make(
        methods: Mapping[str, float] | None = None, seeds: Sequence[int] = (13,), **changes: object
    ) -> Comparison:
        return compare_rows(trained(methods, seeds), gold_labels(), setting(**changes))  # type: ignore[arg-type]  # by name

    return make


@pytest.fixture
def make_runs() -> Callable[..., list[StudentRun]]:
    return trained


@pytest.fixture
def make_setting() -> Callable[..., Setting]:
    return setting


@pytest.fixture
def gold() -> Ids:
    return gold_labels()
