"""Entity scores against seqeval, and their resamples against seqeval on the rows that were drawn."""

import random

import numpy as np
import pytest
from numpy.typing import NDArray
from seqeval.metrics import f1_score
from seqeval.scheme import IOB2

from compress.judge.entities import tag_codes
from compress.judge.metrics import bootstrap_scores, jackknife_scores, score

NAMES = ("O", "B-PER", "I-PER", "I-LOC", "B-LOC", "B-MISC", "I-MISC")  # in no order that could be guessed
AVERAGES = [("entity_f1", "micro"), ("entity_macro_f1", "macro")]
Tags = list[list[str]]


def _random_tags(seed: int, rows: int, right: float = 0.7) -> tuple[Tags, Tags]:
    """Gold and answers without any order in them: what begins and goes on wrongly is in both."""
    drawn = random.Random(seed)
    gold = [[drawn.choice(NAMES) for _ in range(drawn.randint(1, 12))] for _ in range(rows)]
    given = [[tag if drawn.random() < right else drawn.choice(NAMES) for tag in tags] for tags in gold]
    return gold, given


def _marks(rows: Tags, width: int = 14) -> NDArray[np.int64]:
    codes = tag_codes(NAMES)
    return np.array([[codes[NAMES.index(tag)] for tag in tags] + [0] * (width - len(tags)) for tags in rows])


def _seqeval(gold: Tags, given: Tags, average: str) -> float:
    return float(f1_score(gold, given, mode="strict", scheme=IOB2, average=average, zero_division=0))


@pytest.mark.parametrize(("metric", "average"), AVERAGES)
@pytest.mark.parametrize("seed", range(12))
def test_scores_are_seqevals(metric: str, average: str, seed: int) -> None:
    gold, given = _random_tags(seed, 8)
    assert score(metric, _marks(gold), _marks(given), 1) == pytest.approx(_seqeval(gold, given, average))


@pytest.mark.filterwarnings("ignore")  # seqeval warns where a resample has no entity of some type
@pytest.mark.parametrize(("metric", "average"), AVERAGES)
def test_a_resample_is_scored_as_its_rows(metric: str, average: str) -> None:
    gold, given = _random_tags(3, 7)
    counts = np.random.default_rng(0).multinomial(7, [1 / 7] * 7, size=6)
    found = bootstrap_scores(metric, _marks(gold), _marks(given), 1, counts)
    for weights, value in zip(counts, found, strict=True):
        rows = np.repeat(np.arange(7), weights)
        expected = _seqeval([gold[row] for row in rows], [given[row] for row in rows], average)
        assert value == pytest.approx(expected)
    left_out = jackknife_scores(metric, _marks(gold), _marks(given), 1, np.ones(7))
    for row, value in enumerate(left_out):
        expected = _seqeval(gold[:row] + gold[row + 1 :], given[:row] + given[row + 1 :], average)
        assert value == pytest.approx(expected)
