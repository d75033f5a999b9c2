"""Numbers: reading, losses, agreement, teachers."""

import re

import datasets
import numpy as np
import pytest
import torch

from compress.data.columns import ColumnNames
from compress.data.rows import Rows
from compress.data.stratify import cut
from compress.errors import DataError, ModelError
from compress.judge.fidelity import fidelity
from compress.page.numbers import both_numbers, right_numbers
from compress.tasks import task_named
from compress.tasks.interface import Imitation
from serve.tasks import Regression

TASK = task_named("text-classification", "regression").settled(np.array([0.0, 5.0, np.nan], np.float32))
COLUMNS = ColumnNames("text", None, "label")


def test_numbers_keep_their_scale() -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": ["3.25", "-1", "5"]})
    raw = TASK.read_labels(data, COLUMNS, "train")
    np.testing.assert_array_equal(raw, np.array([3.25, -1, 5], np.float32))
    assert TASK.default_answering() == Regression(low=0, high=5)
    assert TASK.is_unlabelled(np.full(3, -1, np.float32))


@pytest.mark.parametrize("wrong", [None, "nan", "very", "inf"])
def test_what_is_no_number_is_told_with_its_row(wrong: str | None) -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "label": ["1", wrong, "2"]})
    with pytest.raises(DataError, match=r"row 2 of train holds .*\n.*a finite number in every row"):
        TASK.read_labels(data, COLUMNS, "train")


def test_splits_keep_the_range() -> None:
    numbers = np.linspace(0, 5, 100, dtype=np.float32)
    kept, off = cut(Rows([str(row) for row in range(100)], numbers), 20, seed=1)
    assert off.labels is not None
    assert all(((off.labels >= low) & (off.labels <= low + 0.5)).sum() == 2 for low in np.arange(0, 5, 0.5))
    assert len(kept) == 80


def test_a_row_without_a_number_learns_from_the_teacher_alone() -> None:
    student, teacher = torch.tensor([[1.0], [2.0], [4.0]]), torch.tensor([[0.0], [4.0], [4.0]])
    labels = torch.tensor([3.0, torch.nan, 0.0])
    found = TASK.soft_loss(student, teacher, labels, Imitation(temperature=2, alpha=0.25))
    expected = (0.25 * 1 + 0.75 * 4) + 4 + (0.25 * 0 + 0.75 * 16)
    assert found.item() == pytest.approx(expected / 3)
    assert TASK.hard_loss(student, labels).item() == pytest.approx((4 + 16) / 3)
    assert TASK.own_loss(student, None).item() == pytest.approx(7)


def test_agreement_is_nearness_on_the_scale_of_the_labels() -> None:
    """A correlation of 1 is no agreement: a scale or an offset is seen."""
    teacher = np.linspace(0, 5, 100)[:, None]
    offset = fidelity(teacher, teacher + 1, None, "pearson", seed=0, task=TASK)
    assert offset.correlation == pytest.approx(1)
    assert offset.agreement == 0
    near = fidelity(teacher, teacher + 0.24, None, "pearson", seed=0, task=TASK)
    assert near.agreement == 1
    gold = np.linspace(0, 5, 100, dtype=np.float32)
    labelled = fidelity(
        teacher, teacher + 0.24, gold, "pearson", seed=0, resamples=200, task=TASK, texts=["a"] * 100
    )
    assert labelled.retention == pytest.approx(1)
    assert labelled.kl is None
    assert labelled.ece_student is None
    assert labelled.mcnemar is None
    assert labelled.flips == []
    assert labelled.by_confidence == []


def test_numbers_are_kept_to_be_drawn_of_rows_from_end_to_end() -> None:
    teacher = np.linspace(0, 5, 1000)[:, None]
    gold = np.linspace(0, 5, 1000, dtype=np.float32) + 1
    found = fidelity(teacher, teacher + 0.25, gold, "pearson", seed=0, resamples=50, task=TASK)
    assert 300 < len(found.numbers) <= 400
    right, taught, shipped = (np.array(row) for row in zip(*found.numbers, strict=True))
    np.testing.assert_allclose(right, taught + 1, atol=1e-3)
    np.testing.assert_allclose(shipped, taught + 0.25, atol=1e-3)
    assert (taught[0], taught[-1]) == (0, pytest.approx(5, abs=0.02))
    for drawing in (both_numbers(found), right_numbers(found)):
        assert drawing is not None
        dots = re.findall(r'class="dots \w+" d="([^"]*)"', drawing.svg())
        assert {path.count("M") for path in dots} == {len(found.numbers)}
    unknown = fidelity(teacher, teacher, None, "pearson", seed=0, task=TASK)
    assert {row[0] for row in unknown.numbers} == {None}
    assert both_numbers(unknown) is not None
    assert right_numbers(unknown) is None
    labels = np.eye(2)[[0, 1, 1]]
    assert both_numbers(fidelity(labels, labels, None, "accuracy", seed=0)) is None


def test_dots_stand_where_the_numbers_say() -> None:
    """On the dotted line where both are the same; the highest number is the highest dot."""
    teacher = np.array([[0.0], [1.0], [4.0]])
    drawing = both_numbers(fidelity(teacher, teacher, None, "pearson", seed=0, task=TASK))
    assert drawing is not None
    svg = drawing.svg()
    (path,) = re.findall(r'class="dots student" d="([^"]*)"', svg)
    x, y = zip(*((float(a), float(b)) for a, b in re.findall(r"M([\d.]+) ([\d.]+)h0", path)), strict=True)
    ends = [
        float(one)
        for one in re.findall(r'class="right-line" x1="(.*?)" y1="(.*?)" x2="(.*?)" y2="(.*?)"', svg)[0]
    ]
    slope = (ends[3] - ends[1]) / (ends[2] - ends[0])
    for across, upward in zip(x, y, strict=True):
        assert upward == pytest.approx(ends[1] + slope * (across - ends[0]), abs=0.2)
    assert list(x) == sorted(x)
    assert list(y) == sorted(y, reverse=True)
    assert (x[2] - x[1]) / (x[1] - x[0]) == pytest.approx(3, abs=0.02)


@pytest.mark.parametrize(
    ("outputs", "problem", "message"),
    [
        (("score",), None, r"1 output, and its config.json says problem_type: nothing"),
        (("a", "b"), "single_label_classification", r"2 outputs"),
    ],
)
def test_a_model_of_which_nobody_knows_whether_a_sigmoid_belongs_on_it_is_refused(
    outputs: tuple[str, ...], problem: str | None, message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        TASK.check_head("owner/model", outputs, problem)
    TASK.check_head("owner/model", ("score",), "regression")


def test_a_teacher_that_guesses_is_refused() -> None:
    numbers = np.random.default_rng(0).normal(size=300).astype(np.float32)
    rows = Rows(["a"] * 300, numbers)
    assert TASK.check_teacher(("LABEL_0",), (2 * numbers + 7)[:, None], rows) == ("pearson", pytest.approx(1))
    with pytest.raises(ModelError, match="answers at chance"):
        TASK.check_teacher(("LABEL_0",), np.ones((300, 1), np.float32), rows)
