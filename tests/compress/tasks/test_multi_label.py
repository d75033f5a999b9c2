"""Several labels per text: reading, aligning, losses, thresholds."""

from pathlib import Path
from typing import Literal

import datasets
import numpy as np
import pytest
import torch
from sklearn.metrics import f1_score

from compress.data.columns import ColumnNames
from compress.data.load import load_splits
from compress.data.rows import Rows
from compress.data.stratify import cut
from compress.errors import DataError, ModelError
from compress.judge.fidelity import fidelity
from compress.judge.report import NO_LABEL
from compress.judge.robustness import flip_lines
from compress.models.teachers import average_logits
from compress.page.fidelity import confusion
from compress.page.label_sets import by_label
from compress.recipe import DataOptions
from compress.tasks import task_named
from compress.tasks.interface import Imitation, Named
from compress.tasks.thresholds import FEWEST, tune
from serve.tasks import LabelSet, MultiLabel

TASK = task_named("text-classification", "multi_label_classification")
LABELS = ("joy", "love", "fear")
LOSSES: tuple[Literal["kl", "mse"], ...] = ("kl", "mse")


def matrix(
    data: datasets.Dataset, label: str | tuple[str, ...], names: tuple[str, ...] | None = None
) -> np.ndarray:
    columns = ColumnNames("text", None, label)
    raw = TASK.read_labels(data, columns, "train")
    feature = data.features[label] if isinstance(label, str) else None
    own = label if isinstance(label, tuple) else ()
    return TASK.label_space(Named(names, None, feature, own), {"train": raw}).ids(raw, "train")


def test_lists_of_names_lists_of_numbers_and_columns_say_the_same() -> None:
    texts = ["a", "b", "c"]
    expected = np.array([[1, 1, 0], [0, 0, 0], [0, 0, 1]])
    names = datasets.Dataset.from_dict({"text": texts, "labels": [["joy", "love"], [], ["fear"]]})
    np.testing.assert_array_equal(matrix(names, "labels", LABELS), expected)
    as_json = datasets.Dataset.from_dict({"text": texts, "labels": ['["joy", "love"]', "[]", '["fear"]']})
    np.testing.assert_array_equal(matrix(as_json, "labels", LABELS), expected)
    numbers = datasets.Dataset.from_dict({"text": texts, "labels": [[0, 1], [], [2]]})
    np.testing.assert_array_equal(matrix(numbers, "labels"), expected)
    named = numbers.cast_column("labels", datasets.List(datasets.ClassLabel(names=list(LABELS))))
    np.testing.assert_array_equal(matrix(named, "labels"), expected)
    columns = datasets.Dataset.from_dict(
        {"text": texts, "joy": [1, 0, 0], "love": [1, 0, 0], "fear": [0, 0, 1]}
    )
    np.testing.assert_array_equal(matrix(columns, LABELS), expected)


@pytest.mark.parametrize(
    ("labels", "message"),
    [
        (["joy", "love", ""], r"labels that are no list\n.*a list of labels"),
        ([["joy"], [], ["hope"]], r"row 3 of train has the label 'hope'"),
        ([[0.5], [], [1.0]], r"row 1 of train has 0.5 among its labels"),
    ],
)
def test_what_is_no_set_of_labels_is_told_with_its_row(labels: list, message: str) -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b", "c"], "labels": labels})
    with pytest.raises(DataError, match=message):
        matrix(data, "labels", LABELS)


def test_a_column_that_holds_neither_0_nor_1_is_told(tmp_path: Path) -> None:
    data = datasets.Dataset.from_dict({"text": ["a", "b"], "joy": [1, 2], "love": [0, 1]})
    with pytest.raises(DataError, match=r"row 2 of train holds '?2'? in the column 'joy'\n.*0 or 1"):
        matrix(data, ("joy", "love"))


def test_labels_go_by_name_to_the_teachers_outputs() -> None:
    labels = np.array([[1, 0, 0], [0, 1, 1]], dtype=np.float32)
    np.testing.assert_array_equal(TASK.relabelled(labels, np.array([2, 0, 1])), [[0, 0, 1], [1, 1, 0]])


def test_splits_keep_the_share_of_a_rare_label(tmp_path: Path) -> None:
    labels = np.zeros((200, 2), dtype=np.float32)
    labels[:100, 0] = 1
    labels[::20, 1] = 1  # ten rows, half of them with the first label as well
    kept, off = cut(Rows([str(row) for row in range(200)], labels), 40, seed=3)
    assert kept.labels is not None
    assert off.labels is not None
    assert off.labels[:, 1].sum() == 2
    assert kept.labels[:, 1].sum() == 8
    lines = "".join(f'{{"text": "row {row}", "labels": ["a"]}}\n' for row in range(60))
    (tmp_path / "train.jsonl").write_text(lines)
    with pytest.raises(DataError, match="every row of train has the label a"):
        load_splits(DataOptions(path=str(tmp_path)), 1, TASK)


def test_a_row_without_labels_learns_from_the_teacher_alone() -> None:
    torch.manual_seed(0)
    student, teacher = torch.randn(4, 3), torch.randn(4, 3)
    labels = torch.tensor([[1.0, 0, 1], [torch.nan] * 3, [0, 0, 0], [torch.nan] * 3])
    for loss in LOSSES:
        asked = Imitation(temperature=2.0, alpha=0.3, loss=loss)
        known, unknown = [0, 2], [1, 3]
        mixed = TASK.soft_loss(student, teacher, labels, asked)
        parts = TASK.soft_loss(student[known], teacher[known], labels[known], asked) + TASK.soft_loss(
            student[unknown], teacher[unknown], None, asked
        )
        assert mixed.item() == pytest.approx(parts.item() / 2, rel=1e-5)
    bce = torch.nn.functional.binary_cross_entropy_with_logits
    assert TASK.hard_loss(student, labels).item() == pytest.approx(
        bce(student[[0, 2]], labels[[0, 2]]).item() / 2, rel=1e-5
    )


def _probable(rows: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    truth = (random.random((rows, 3)) < [0.4, 0.1, 0.01]).astype(np.int64)
    logits = 2.0 * truth - 2.5 + random.normal(size=truth.shape)
    return 1 / (1 + np.exp(-logits)), truth


@pytest.mark.parametrize("metric", ["micro_f1", "macro_f1"])
def test_thresholds_are_better_than_a_half_on_rows_that_did_not_tune_them(metric: str) -> None:
    probabilities, truth = _probable(1000, 1)
    limits = tune(metric, probabilities, truth)
    unseen, gold = _probable(1000, 2)
    average = metric.removesuffix("_f1")

    def scored(at: np.ndarray | float) -> float:
        return float(f1_score(gold, unseen >= at, average=average, zero_division=0))

    assert scored(limits) > scored(0.5) + 0.05


def test_no_common_threshold_is_better_on_the_rows_that_tune() -> None:
    probabilities, truth = _probable(400, 3)
    limits = tune("micro_f1", probabilities, truth)
    tuned = f1_score(truth, probabilities >= limits, average="micro")
    assert all(
        tuned >= f1_score(truth, probabilities >= limit, average="micro", zero_division=0) - 1e-12
        for limit in np.linspace(0.02, 0.98, 97)
    )


def test_a_label_with_few_rows_keeps_the_common_threshold() -> None:
    probabilities, truth = _probable(400, 3)
    truth[:, 2] = 0
    truth[: FEWEST - 1, 2] = 1
    with_few = tune("macro_f1", probabilities, truth)
    assert with_few[2] in np.linspace(0.02, 0.98, 97)
    truth[:FEWEST, 2] = 1
    assert tune("macro_f1", probabilities, truth)[2] != with_few[2]


def test_a_teacher_that_guesses_is_refused() -> None:
    probabilities, truth = _probable(500, 4)
    logits = np.log(probabilities / (1 - probabilities)).astype(np.float32)
    rows = Rows(["a"] * 500, truth.astype(np.float32))
    metric, found = TASK.check_teacher(LABELS, logits, rows)
    assert metric == "average_precision"
    assert found > 0.4
    with pytest.raises(ModelError, match="answers at chance"):
        TASK.check_teacher(LABELS, np.random.default_rng(0).permutation(logits), rows)


def test_thresholds_decide_what_is_given() -> None:
    answering = MultiLabel(thresholds={"joy": 0.2, "love": 0.9})
    logits = np.array([[-1.0, 1.0, 0.1]], np.float32)  # 0.27, 0.73, 0.52
    reply = [{"label": label, "score": 0.5} for label in LABELS]
    (answer,) = answering.answers([_Encoding()], {"logits": logits}, LABELS)  # type: ignore[list-item]
    assert isinstance(answer, LabelSet)
    assert answer.labels == ("joy", "fear")
    again = answering.answer_from(reply, LABELS, 3, truncated=False)
    assert isinstance(again, LabelSet)
    assert again.labels == ("joy", "fear")
    row = TASK.stack([answer], LABELS)[0]
    assert TASK.read_answer(TASK.tell_answer(row, LABELS), LABELS) == row.tolist()


class _Encoding:
    ids = (1, 2, 3)
    overflowing = ()

    def __len__(self) -> int:
        return len(self.ids)


def test_several_teachers_are_averaged_label_by_label() -> None:
    logits = np.array([[[0.0, 2.0]], [[1.0, -2.0]]])
    mean = average_logits([one.astype(np.float32) for one in logits], [3, 1], "probabilities", TASK)
    each = 1 / (1 + np.exp(-logits))
    np.testing.assert_allclose(1 / (1 + np.exp(-mean)), 0.75 * each[0] + 0.25 * each[1], rtol=1e-5)
    pooled = TASK.pooled_answering(
        [MultiLabel(thresholds={"joy": 0.2}), MultiLabel(thresholds={"joy": 0.6})], [3, 1]
    )
    assert isinstance(pooled, MultiLabel)
    assert pooled.thresholds == pytest.approx({"joy": 0.3})


def test_labels_that_one_model_alone_gives_are_counted_for_each_label() -> None:
    """Rows of a label: given by both, by the teacher alone, by what ships alone; over all rows of all labels."""
    drawn = np.random.default_rng(3)
    teacher, shipped = (
        np.stack([drawn.random((50, 3)), drawn.integers(0, 2, (50, 3))], axis=-1) for _ in range(2)
    )
    found = fidelity(teacher, shipped, None, "micro_f1", seed=0, labels=LABELS, task=TASK)
    assert found.flips_of == "labels"
    for place, label in enumerate(LABELS):
        pairs = list(zip(teacher[:, place, 1] == 1, shipped[:, place, 1] == 1, strict=True))
        flips = {(flip.teacher, flip.shipped): flip.rows for flip in found.flips}
        assert flips[label, NO_LABEL] == pairs.count((True, False))
        assert flips[NO_LABEL, label] == pairs.count((False, True))
        assert found.alike[label] == pairs.count((True, True))
    drawing = by_label(found)
    assert drawing is not None
    svg = drawing.svg()
    for label in LABELS:
        counts = found.alike[label], flips[label, NO_LABEL], flips[NO_LABEL, label]
        assert " / ".join(map(str, counts)) in svg
    first = max(LABELS, key=lambda label: flips[label, NO_LABEL] + flips[NO_LABEL, label])
    assert svg.index(f">{first}<") == min(svg.index(f">{label}<") for label in LABELS)
    told = flip_lines(found)
    assert "by the teacher alone" in told or "by what ships alone" in told
    assert confusion(found, LABELS) is None
