"""Numbers on scales, against each other, and texts that are near."""

import re
from typing import Any

import numpy as np
import pytest
from scipy.stats import pearsonr, spearmanr

from app.correlation import pearson, spearman
from app.rows import Row
from app.tasks.regression import Regression
from app.tasks.sentence_similarity import SentenceSimilarity
from app.views.scale import Scale
from app.views.scatter import Cloud, scatters
from serve.tasks import Embedding, Rating, SentenceEmbedding
from serve.tasks import Regression as Numbers


def test_correlations_are_those_of_scipy_also_with_ties() -> None:
    drawn = np.random.default_rng(1)
    for one, other in [
        (drawn.normal(size=40), drawn.normal(size=40)),
        (drawn.integers(0, 4, 40).astype(float), drawn.integers(0, 3, 40).astype(float)),
    ]:
        assert pearson(one, other) == pytest.approx(pearsonr(one, other)[0])
        assert spearman(list(one), list(other)) == pytest.approx(spearmanr(one, other)[0])
    for nothing in ([], [1.0], [2.0, 2.0]):
        assert pearson(nothing, nothing) is None
        assert spearman(nothing, nothing) is None


@pytest.mark.parametrize(
    ("low", "high", "number", "shown", "signed"),
    [(0, 5, 3.14159, "3.14", "+3.14"), (0, 100, -0.04, "0.0", "+0.0"), (-1, 1, 0.12345, "0.123", "+0.123"),
     (0, 5000, 1234.6, "1,235", "+1,235"), (2, 2, 2.004, "2.004", "+2.004")],
)  # fmt: skip
def test_numbers_have_as_many_decimals_as_their_scale_asks_for(
    low: float, high: float, number: float, shown: str, signed: str
) -> None:
    scale = Scale(low, high)
    assert (scale.shown(number), scale.signed(number)) == (shown, signed)
    assert 2 <= len(scale.marks) <= 7 or low == high
    assert all(low - 1e-9 <= mark <= scale.low + scale.width + 1e-9 for mark in scale.marks)
    assert 0 <= scale.share(-1e9) < scale.share(1e9) <= 1


def test_each_row_is_a_dot_and_those_that_differ_stand_out() -> None:
    scale = Scale(0, 10)
    cloud = Cloud("Teacher", "Student", [0, 5, 10], [0, 9, 10], scale, scale, [False, True, False], 1.0)
    html = scatters("t", [cloud], "n")
    near, far = (
        re.findall(r"M(\d+) (\d+)h0", re.findall(f'class="{look}" d="([^"]*)"', html)[0])
        for look in ("near", "far")
    )
    assert [int(x) for x, _ in near] == [40, 240]
    assert [int(y) for _, y in near] == [210, 10]
    assert far == [("140", "30")]
    assert "Pearson 0." in html
    many = Cloud("Teacher", "Student", [1.0] * 5000, [2.0] * 5000, scale, scale)
    assert scatters("t", [many], "n").count("h0") == 1


def test_agreement_is_the_verdicts_tolerance_and_the_scale_may_be_the_teachers() -> None:
    task = Regression(Numbers(low=0, high=5), ["LABEL_0"])

    def rating(value: float) -> Rating:
        return Rating("LABEL_0", value, 3, truncated=False)

    assert task.difference("", rating(1), rating(1.25)).agree
    assert not task.difference("", rating(1), rating(1.2501)).agree
    verdict = task.verdict(rating(1), rating(1.5), task.difference("", rating(1), rating(1.5)))
    assert "the teacher gives <b>1.00</b>, the student gives <b>1.50</b>" in verdict
    assert "0.50 higher" in verdict
    unknown = Regression(Numbers(), ["LABEL_0"])
    unknown.arranged([Row(0, "a", 1.0, rating(-20)), Row(1, "b", 2.0, rating(80))])
    assert unknown.difference("", rating(0), rating(4.9)).agree
    assert not unknown.difference("", rating(0), rating(5.1)).agree


def embedding(*vectors: list[float]) -> Embedding:
    return Embedding(np.array(vectors, np.float32), 0, truncated=False)


def similarity(**changes: Any) -> SentenceSimilarity:
    return SentenceSimilarity(SentenceEmbedding(width=2, **changes), ["embedding"])


def test_single_texts_are_compared_with_the_next_as_the_verdict_does() -> None:
    vectors = [[1.0, 0.0], [0.0, 1.0], [1.0, 1.0]]
    rows = [Row(place, f"text {place}", None, embedding(vector)) for place, vector in enumerate(vectors)]
    found = similarity().arranged(rows)
    assert [row.asked for row in found] == [("text 0", "text 1"), ("text 1", "text 2"), ("text 2", "text 0")]
    assert [row.teacher.score for row in found] == pytest.approx([0, 0.5**0.5, 0.5**0.5])


def test_the_nearest_test_texts_are_each_models_own_in_order() -> None:
    task = similarity()
    second = [[1.0, 0.0], [1.0, 0.2], [0.0, 1.0], [-1.0, 0.0], [1.0, 0.0]]
    texts = ["east", "nearly east", "north", "west", "east"]
    rows = [
        task.both(
            Row(place, "q", 1.0, embedding([0.0, 1.0], [-v for v in vector]), text),
            embedding([0.0, 1.0], vector),
        )
        for place, (vector, text) in enumerate(zip(second, texts, strict=True))
    ]
    asked = ("what is <b>here</b>", "x")
    query = embedding([3.0, 0.0], [0.0, 1.0])
    html = task.beside(asked, query, query, rows)
    teacher, student = html.split('<p class="over">')[1:]
    assert re.findall(r"([a-z ]+)(?:</b>)?</span><small>(-?[\d.]+)", student) == [
        ("east", "1.000"), ("nearly east", "0.981"), ("north", "0.000"), ("west", "-1.000")
    ]  # fmt: skip
    assert re.findall(r">([a-z ]+)(?:</b>)?</span>", teacher)[0] == "west"
    assert "<b>here" not in html
    assert task.beside(asked, None, query, rows).count('class="over"') == 1
    assert task.beside(asked, query, query, []) == ""
