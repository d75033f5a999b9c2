"""The teacher's labels and its sanity: a teacher that does not know the task stops the run."""

from pathlib import Path

import numpy as np
import pytest
from tiny import save_tiny_encoder
from transformers import AutoModelForSequenceClassification

from compress.data.rows import Rows, Splits
from compress.errors import ModelError
from compress.models.open import open_model
from compress.models.teacher import align_teacher, check_teacher
from compress.recipe import TeacherOptions, TeacherTraining


def splits(names: tuple[str, ...]) -> Splits:
    labels = np.arange(30) % len(names)
    rows = Rows([f"text {index}" for index in range(30)], labels)
    return Splits(rows, rows, rows, names, len(names))


def saved_classifier(folder: Path, names: tuple[str, ...]) -> Path:
    encoder = save_tiny_encoder(folder)
    model = AutoModelForSequenceClassification.from_pretrained(
        str(encoder),
        num_labels=len(names),
        id2label=dict(enumerate(names)),
        label2id={name: index for index, name in enumerate(names)},
    )
    model.save_pretrained(str(encoder))
    return encoder


def test_label_ids_follow_the_teachers_outputs(tmp_path: Path) -> None:
    options = TeacherOptions(model=str(saved_classifier(tmp_path, ("Travel", "food", "sport"))))
    data = splits(("food", "sport", "travel"))
    alignment = align_teacher(open_model(options), options, data, named_by_recipe=False)
    aligned = alignment.apply(data)
    assert alignment.names == ("Travel", "food", "sport")
    assert not alignment.new_head
    for rows, before in ((aligned.train, data.train), (aligned.test, data.test)):
        assert rows.labels is not None
        assert before.labels is not None
        named = [alignment.names[int(label)].lower() for label in rows.labels]
        assert named == [("food", "sport", "travel")[int(label)] for label in before.labels]


def test_fine_tuning_on_other_labels_takes_a_new_head(tmp_path: Path) -> None:
    options = TeacherOptions(model=str(saved_classifier(tmp_path, ("x", "y"))), train=TeacherTraining())
    alignment = align_teacher(open_model(options), options, splits(("a", "b", "c")), named_by_recipe=False)
    assert alignment.new_head
    assert alignment.names == ("a", "b", "c")


def test_fine_tuning_on_the_same_labels_keeps_the_head(tmp_path: Path) -> None:
    options = TeacherOptions(model=str(saved_classifier(tmp_path, ("b", "a"))), train=TeacherTraining())
    alignment = align_teacher(open_model(options), options, splits(("a", "b")), named_by_recipe=False)
    assert not alignment.new_head
    assert alignment.names == ("b", "a")


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1)])
def test_guessing_and_naming_the_majority_are_both_chance(shares: tuple[float, float]) -> None:
    random = np.random.default_rng(5)
    gold = random.choice(2, size=2000, p=shares)
    rows = Rows(["x"] * 2000, gold)
    majority = np.tile(np.asarray([1.0, 0.0], np.float32), (2000, 1))
    guessing = random.normal(size=(2000, 2)).astype(np.float32)
    exchanged = np.eye(2, dtype=np.float32)[1 - gold]
    for logits in (majority, guessing, exchanged):
        with pytest.raises(ModelError, match="at chance"):
            check_teacher(("a", "b"), logits, rows)
    knowing = np.eye(2, dtype=np.float32)[np.where(random.random(2000) < 0.7, gold, 1 - gold)]
    assert check_teacher(("a", "b"), knowing, rows) == pytest.approx(0.7, abs=0.05)
