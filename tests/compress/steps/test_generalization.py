"""The stage that asks for changed texts gives each model its own answers, and each way of changing its own rows."""

from types import SimpleNamespace
from zlib import crc32

import numpy as np
import pytest
from numpy.typing import NDArray

from compress.data.rows import Rows, Splits
from compress.judge.generalization import changed_rows
from compress.progress import Silent
from compress.stage import Stages
from compress.steps.generalization import generalization_stage
from compress.training.device import Compute
from compress.workshop import Workshop

LABELS = ("no", "yes")
TEACHER, SHIPPED = SimpleNamespace(key="teacher"), SimpleNamespace(key="shipped")


def says(model: str, texts: list[str]) -> NDArray[np.int64]:
    """A label that depends on the text and on who is asked, and on nothing else."""
    return np.array([crc32(f"{model} {text}".encode()) % 2 for text in texts])


def probabilities(model: str, texts: list[str]) -> NDArray[np.float64]:
    return np.where(says(model, texts)[:, None] == [0, 1], 0.9, 0.1)


def test_scores_are_those_of_a_plain_reckoning(
    tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    def answers(_: object, asked: list[SimpleNamespace], rows: Rows, *__: object) -> dict[str, object]:
        return {one.key: probabilities(one.key, rows.texts) for one in asked}

    monkeypatch.setattr("compress.steps.generalization.answers", answers)
    workshop = Workshop(
        Stages(tmp_path_factory.mktemp("stages")), Silent(), Compute("cpu", False), 13, "accuracy", ()
    )
    texts = [f"the quick report number {number} was read" for number in range(60)]
    test = Rows(texts, np.arange(60) % 2)
    files = {"elsewhere": Rows([f"another {number}" for number in range(37)], np.arange(37) % 2)}
    splits = Splits(train=test, validation=test, test=test, label_names=LABELS, label_count=2)
    before = {one.key: probabilities(one.key, texts) for one in (TEACHER, SHIPPED)}
    shifts = generalization_stage(workshop, [TEACHER, SHIPPED], splits, files, before, LABELS)  # type: ignore[list-item]  # of a contestant its key
    changed = changed_rows(test, files, workshop.seed, workshop.task.perturbations)
    assert [one.name for one in shifts] == ["typos", "case", "punctuation", "elsewhere"]
    for found, one in zip(shifts, changed, strict=True):
        asked = [str(text) for text in one.rows.texts]
        assert found.agreement == pytest.approx((says("teacher", asked) == says("shipped", asked)).mean())
        for held, model in ((found.teacher, "teacher"), (found.shipped, "shipped")):
            assert held is not None
            assert held.score == pytest.approx((says(model, asked) == one.rows.labels).mean())
            unchanged = texts if one.places is None else [texts[place] for place in one.places]
            gold = test.labels if one.places is None else one.rows.labels
            drop = (says(model, unchanged) == gold).mean() - held.score
            assert held.drop == pytest.approx(drop)
    assert len({round(found.teacher.score, 9) for found in shifts if found.teacher}) > 1
