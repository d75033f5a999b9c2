"""How answers to questions are scored, against the published scripts and by trying everything."""

from typing import cast

import numpy as np
import pytest

from compress.data.rows import Rows
from compress.judge.answer_texts import answer_value, is_chinese
from compress.judge.metrics import bootstrap_scores, jackknife_scores
from compress.tasks import task_named
from compress.tasks.answer_places import padded_spans
from compress.tasks.question_answering import QuestionAnswering
from compress.tasks.thresholds import best_cut

TASK = cast(QuestionAnswering, task_named("question-answering"))


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("the Old Bridge!", ["old bridge"], 1.0, 1.0),
        ("bridge of steel", ["the steel bridge", "steel"], 0.0, 0.8),
        ("", [], 1.0, 1.0),
        ("x", [], 0.0, 0.0),
        ("", ["x"], 0.0, 0.0),
        ("1,000 men", ["1000 men"], 1.0, 1.0),
        ("Ada's", ["adas"], 1.0, 1.0),
        ("a a b", ["a b b"], 0.0, 2 / 3),
        ("red red fox", ["red fox fox"], 0.0, 2 / 3),
    ],
)
def test_values_are_those_of_the_published_script(
    answer: str, right: list[str], exact: float, f1: float
) -> None:
    assert answer_value("exact_match", answer, right) == exact
    assert answer_value("f1", answer, right) == pytest.approx(f1)


@pytest.mark.parametrize(
    ("answer", "right", "exact", "f1"),
    [
        ("北京市", ["北京"], 0.0, 0.8),
        ("《北京》", ["北京"], 1.0, 1.0),
        ("北方的京城", ["北京"], 0.0, 2 / 7),
        ("京北", ["北京"], 0.0, 0.5),
        ("1894年", ["1894年", "1894"], 1.0, 1.0),
        ("Nexon公司", ["nexon"], 0.0, 0.5),
        ("3.5", ["3.5%"], 0.0, 2 / 3),
    ],
)
def test_chinese_values_are_those_of_cmrcs_script(
    answer: str, right: list[str], exact: float, f1: float
) -> None:
    """Of the longest run that both have, not of a bag of characters."""
    assert answer_value("exact_match", answer, right, chinese=True) == exact
    assert answer_value("f1", answer, right, chinese=True) == pytest.approx(f1)


def test_the_context_says_which_way_a_row_is_scored() -> None:
    assert is_chinese("北京是中国的首都, London")
    assert not is_chinese("The character 京 means capital.")
    assert not is_chinese("")
    assert not is_chinese("12 345")
    contexts = ["北京市是中国的首都。", "the old bridge"]
    rows = Rows([("?", context) for context in contexts], padded_spans([[(0, 2)], [(4, 14)]]))
    assert TASK.marks("f1", np.array([[0, 3, 0.5], [0, 14, 0.5]]), rows).tolist() == pytest.approx([0.8, 1.0])


def test_intervals_are_those_of_means_of_rows() -> None:
    drawn = np.random.default_rng(4)
    values = drawn.random(60)
    weights = drawn.multinomial(60, np.full(60, 1 / 60), size=20)
    expected = [np.repeat(values, counts).mean() for counts in weights]
    assert bootstrap_scores("f1", np.ones(60), values, 1, weights) == pytest.approx(expected)
    left_out = [np.delete(values, row).mean() for row in range(60)]
    assert jackknife_scores("exact_match", np.ones(60), values, 1, np.ones(60)) == pytest.approx(left_out)


def test_the_threshold_is_the_one_that_trying_all_finds() -> None:
    drawn = np.random.default_rng(6)
    for _ in range(40):
        margins = drawn.normal(size=12).round(1)
        kept, given_up = drawn.random(12), drawn.integers(0, 2, 12).astype(float)

        def total(threshold: float) -> float:
            return float(np.where(margins > threshold, given_up, kept).sum())  # noqa: B023

        limits = np.sort(margins)
        tried = [limits[0] - 1, *limits]
        assert total(best_cut(margins, kept, given_up)) == pytest.approx(max(map(total, tried)))
    assert best_cut(np.array([-1.0, 2.0]), np.array([1.0, 0.0]), np.array([0.0, 1.0])) == 0.0
