"""The transfer set: what is added to train, what is not, and that nobody takes it for labelled."""

from pathlib import Path
from typing import cast

import numpy as np
import pytest

from compress.augment import Augment
from compress.data.rows import NO_LABEL, Rows, Splits
from compress.models.open import Opened
from compress.models.trained import Trained
from compress.progress import Silent
from compress.stage import Stage, Stages
from compress.steps import transfer
from compress.steps.transfer import make_transfer, new_texts
from compress.training.device import Compute
from compress.workshop import Workshop

NOBODY = cast(Trained, None)
NOTHING = cast(Opened, None)


def rows(*texts: str, labelled: bool = True) -> Rows:
    return Rows(list(texts), np.arange(len(texts), dtype=np.int64) % 2 if labelled else None)


def splits(*, labelled: bool = True) -> Splits:
    return Splits(
        rows("one ", "two", "three", labelled=labelled),
        rows("Four", labelled=labelled),
        rows("five", labelled=labelled),
        ("a", "b") if labelled else None,
        2 if labelled else 0,
    )


@pytest.fixture
def workshop(tmp_path: Path) -> Workshop:
    return Workshop(Stages(tmp_path), Silent(), Compute("cpu", bf16=False), 13, "accuracy", ())


def augmenting(monkeypatch: pytest.MonkeyPatch, *texts: str) -> None:
    """Augmentation that makes these texts."""
    monkeypatch.setattr(transfer, "_augmented", lambda *_: list(texts))


def test_a_text_is_added_once_and_none_of_train(workshop: Workshop, tmp_path: Path) -> None:
    unlabeled = ["one", "new", "new", "two", "another"]
    made = make_transfer(workshop, splits(), unlabeled, None, NOBODY, Stage(tmp_path, "t"), NOTHING)
    assert made.rows.texts == ["one ", "two", "three", "new", "another"]
    assert made.rows.labels is not None
    assert made.rows.labels.tolist() == [0, 1, 0, NO_LABEL, NO_LABEL]
    assert (made.augmented, made.unlabeled, made.held_out) == (0, 2, 0)
    assert made.notes == [
        "the student learns from 5 texts: 3 of train, 0 augmented, 2 unlabelled; the teacher alone answers "
        "those that were added"
    ]


def test_the_texts_that_select_and_are_reported_are_not_learnt_from(
    workshop: Workshop, tmp_path: Path
) -> None:
    made = make_transfer(
        workshop, splits(), ["four", "FIVE ", "new"], None, NOBODY, Stage(tmp_path, "t"), NOTHING
    )
    assert made.rows.texts[3:] == ["new"]
    assert made.held_out == 2
    assert made.notes[-1] == "2 unlabelled texts stand in validation or test and are not learnt from"
    only = make_transfer(workshop, splits(), ["five"], None, NOBODY, Stage(tmp_path, "t"), NOTHING)
    assert only.rows is splits().train or only.rows.texts == splits().train.texts
    assert len(only.notes) == 1


def test_augmented_texts_have_no_label_and_stand_there_once(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    augmenting(monkeypatch, "made", "new", "five")
    made = make_transfer(
        workshop, splits(), ["new"], Augment(copies=1), NOBODY, Stage(tmp_path, "t"), NOTHING
    )
    assert made.rows.texts == ["one ", "two", "three", "made", "new"]
    assert made.rows.labels is not None
    assert made.rows.labels[3:].tolist() == [NO_LABEL, NO_LABEL]
    assert (made.augmented, made.unlabeled) == (1, 1)
    assert "3 of train, 1 augmented, 1 unlabelled" in made.notes[0]


def test_nothing_added_is_train_itself(workshop: Workshop, tmp_path: Path) -> None:
    data = splits()
    made = make_transfer(workshop, data, [], None, NOBODY, Stage(tmp_path, "t"), NOTHING)
    assert made.rows is data.train  # so that the digests of a plain recipe stay what they are
    assert made.notes == []


def test_data_without_labels_stays_without(workshop: Workshop, tmp_path: Path) -> None:
    made = make_transfer(
        workshop, splits(labelled=False), ["new"], None, NOBODY, Stage(tmp_path, "t"), NOTHING
    )
    assert made.rows.labels is None
    assert made.rows.texts[-1] == "new"


def test_many_texts_take_no_time_that_grows_with_their_square(
    workshop: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """With 40,000 of each a comparison of each with each would not end within a test."""
    augmenting(monkeypatch, *(f"made {number}" for number in range(40_000)))
    unlabeled = [f"text {number}" for number in range(40_000)]
    made = make_transfer(
        workshop, splits(), unlabeled, Augment(copies=1), NOBODY, Stage(tmp_path, "t"), NOTHING
    )
    assert len(made.rows) == 80_003


def test_the_plan_counts_what_a_run_adds() -> None:
    assert new_texts(["one", "new", "new", "Five", "other"], splits()) == (["new", "other"], 1)
