"""What the reference counts as another answer, and what it asks."""

from typing import Any

import pytest

from benchmarks.reference.compared import TOLERANCE, Compared, compare, table
from benchmarks.reference.pipelines import _by_label, _by_place, _places
from benchmarks.reference.rows import ODD, asked_rows

SPAN = {"entity_group": "PER", "score": 0.9, "word": "ada", "start": 3, "end": 6}
LABELS = [{"label": "yes", "score": 0.8}, {"label": "no", "score": 0.2}]


def spans(ours: list[dict[str, Any]], theirs: list[dict[str, Any]]) -> Compared:
    return compare("entities, first", "real", [ours], [theirs], _by_place, _places)


def first(told: list[dict[str, Any]]) -> object:
    return told[0]["label"]


@pytest.mark.parametrize(
    "change",
    [{"start": 2}, {"end": 7}, {"word": "Ada"}, {"entity_group": "LOC"}, {"score": 0.9 + 2 * TOLERANCE}],
)
def test_another_span_label_word_or_score_is_another_answer(change: dict[str, Any]) -> None:
    assert spans([SPAN], [SPAN]).differing == 0
    assert spans([SPAN | change], [SPAN]).differing == 1
    assert spans([SPAN], [SPAN | change]).differing == 1


def test_a_missing_an_added_and_a_moved_entity_are_other_answers() -> None:
    other = SPAN | {"start": 9, "end": 12}
    assert spans([], [SPAN]).differing == spans([SPAN], []).differing == 1
    assert spans([SPAN, SPAN], [SPAN]).differing == 1
    assert spans([other, SPAN], [SPAN, other]).differing == 1


def test_labels_differ_by_the_first_and_by_every_score() -> None:
    turned = [{"label": "no", "score": 0.8}, {"label": "yes", "score": 0.2}]
    near = [{**one, "score": one["score"] + TOLERANCE / 2} for one in LABELS]
    found = compare("labels", "real", [LABELS, LABELS, near], [LABELS, turned, LABELS], _by_label, first)
    assert (found.rows, found.answers, found.differing) == (3, 6, 1)
    assert found.largest == pytest.approx(0.6)
    assert "| student | labels | 3 real | 6 | 1 | 6.0e-01 |" in table([("student", found)])


@pytest.mark.parametrize("pairs", [False, True])
def test_the_longest_rows_are_asked_and_rows_that_no_model_reads_whole(pairs: bool) -> None:
    texts = [f"row {number} " + "word " * (number % 50) for number in range(600)]
    rows = list(zip(texts, texts[1:] + texts[:1], strict=True)) if pairs else texts
    real, joined, odd = asked_rows(rows, 200, lambda text: len(text.split()), 64)
    assert len(real.rows) == len(set(real.rows)) == 200
    assert set(real.rows) <= set(rows)
    longest = sorted(rows, key=lambda row: -len("".join(row)))[:5]
    assert {len("".join(row)) for row in longest} <= {len("".join(row)) for row in real.rows}
    for row in joined.rows:
        assert all(len(text.split()) > 64 for text in (row if pairs else [row]))
    assert len(joined.rows) == 20
    assert len(odd.rows) == len(ODD)
    assert all(isinstance(row, tuple) == pairs for row in odd.rows)
