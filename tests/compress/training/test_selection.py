"""Which state of a training is kept."""

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from pathlib import Path

import numpy as np
import pytest
import torch
from lessons import make
from trainings import RaggedRows, WordsLesson, words_session

from compress.training.history import read_histories
from compress.training.loop import train
from compress.training.options import TrainOptions


def kept(folder: Path, score: Callable[[], float]) -> tuple[float | None, np.ndarray]:
    """The returned score and the head's weights; each state scores what `score` says."""
    torch.manual_seed(3)
    model = make("bert")
    session = replace(words_session(folder), score=lambda _labels, _logits: score())
    options = TrainOptions(epochs=4, batch_size=2, learning_rate=1e-3, checkpoint_steps=4)
    best = train(WordsLesson(model), RaggedRows(), RaggedRows(), options, session)
    return best, model.classifier.weight.detach().numpy().copy()


@pytest.fixture(scope="module")
def last(tmp_path_factory: pytest.TempPathFactory) -> np.ndarray:
    """The state that is kept where each is better than the one before."""
    rising = count(1)
    best, weights = kept(tmp_path_factory.mktemp("last"), lambda: next(rising) / 10)
    assert best == 0.4
    return weights


def test_of_states_that_score_the_same_the_last_is_kept(tmp_path: Path, last: np.ndarray) -> None:
    best, weights = kept(tmp_path, lambda: 0.5)
    assert best == 0.5
    assert np.array_equal(weights, last)


def test_a_better_state_before_the_last_is_kept(tmp_path: Path, last: np.ndarray) -> None:
    falling = count(9, -1)
    best, weights = kept(tmp_path, lambda: next(falling) / 10)
    assert best == 0.9
    assert not np.array_equal(weights, last)


def test_the_way_there_is_kept_for_the_report(tmp_path: Path) -> None:
    falling = count(9, -1)
    kept(tmp_path, lambda: next(falling) / 10)
    (training,) = read_histories({"student-1-logits": tmp_path, "student-start": tmp_path / "none"})
    assert training.stage == "student-1-logits"
    assert training.steps == 16
    assert training.score == [(4, 0.9), (8, 0.8), (12, 0.7), (16, 0.6)]
    assert training.kept == 4
    assert [step for step, _ in training.loss] == [4, 8, 12, 16]
    assert training.loss[0][1] == pytest.approx(np.log(3), rel=0.5)  # three labels, nothing learnt yet


def test_a_long_training_takes_little_of_a_report(tmp_path: Path) -> None:
    points = [(step, 1 / step) for step in range(50, 100_000, 50)]
    (tmp_path / "history.json").write_text(
        json.dumps({"steps": 99_950, "loss": points, "score": points[:3], "kept": 50})
    )
    (training,) = read_histories({"teacher": tmp_path})
    assert len(training.loss) == 60
    assert (training.loss[0], training.loss[-1]) == (points[0], points[-1])
    assert training.score == points[:3]
