"""The budget of the plain student, and what a student's stages depend on."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import save_tiny_encoder

from compress.data.rows import Rows, Splits
from compress.distill import DistilBert, Distill, Logits, Plain, TinyBert
from compress.models.teachers import Teachers
from compress.models.trained import Trained
from compress.progress import Silent
from compress.stage import Stage, Stages
from compress.steps import student as steps
from compress.steps.student import Classroom, make_student, plain_budget, with_steps
from compress.steps.teachers import Taught, TeacherAnswers
from compress.students import FromTeacher, Pretrained
from compress.training.device import Compute
from compress.training.loop import training_steps
from compress.workshop import Workshop

FAST = {"learning_rate": 3e-4, "batch_size": 16, "warmup_ratio": 0.2, "weight_decay": 0.0}
STAGES: list[list[Distill]] = [
    [Logits(method="logits", epochs=3)],
    [TinyBert(method="tinybert", epochs=2, batch_size=8), Logits(method="logits", epochs=0.5, batch_size=64)],
    [Plain(method="plain", epochs=2), DistilBert(method="distilbert", epochs=1.3, **FAST)],
]


@pytest.mark.parametrize("methods", STAGES)
@pytest.mark.parametrize(("transfer", "own"), [(540, 540), (5_431, 540), (1_001, 77)])
def test_the_plain_student_takes_as_many_steps_as_all_stages_together(
    methods: list[Distill], transfer: int, own: int
) -> None:
    taken = sum(
        max(
            1, round(method.epochs * -(-(own if method.method == "plain" else transfer) // method.batch_size))
        )
        for method in methods
    )
    assert training_steps(plain_budget(methods, transfer, own), own) == taken


def test_the_plain_student_learns_at_the_pace_of_the_last_stage() -> None:
    found = plain_budget([TinyBert(method="tinybert"), Logits(method="logits", **FAST)], 100, 100)
    assert {name: getattr(found, name) for name in FAST} == FAST
    assert found.method == "plain"


@pytest.mark.parametrize("steps_", [1, 7, 100, 12_345])
def test_steps_that_are_asked_for_are_taken(steps_: int) -> None:
    method = Plain(method="plain", batch_size=32)
    for rows in (1, 31, 32, 33, 67_349):
        assert training_steps(with_steps(method, steps_, rows), rows) == steps_


class Recorder:
    """Stands in for a training: it notes what it was given and leaves nothing but its score."""

    def __init__(self) -> None:
        self.given: list[tuple[str, Rows, Any, Any]] = []

    def __call__(
        self,
        student: object,
        teachers: object,
        splits: Splits,
        logits: Any,
        _: Any,
        method: Distill,
        *__: Any,
    ) -> dict[str, object]:
        self.given.append((method.method, splits.train, logits, teachers))
        return {"selection_score": 0.5}


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Recorder:
    recorder = Recorder()
    monkeypatch.setattr(steps, "distil", recorder)
    monkeypatch.setattr(steps, "load_trained", lambda folder: folder)
    monkeypatch.setattr(steps, "_start", lambda workshop, *_: workshop.do("start", {}, lambda _: {}))
    return recorder


def rows(*texts: str) -> Rows:
    return Rows(list(texts), np.arange(len(texts), dtype=np.int64) % 2)


def classroom(tmp_path: Path, logits: str = "logits") -> Classroom:
    own = rows("a", "b")
    both = Rows([*own.texts, "added"], np.asarray([0, 1, -100]))
    answers = np.zeros((3, 2), np.float32)
    member = Trained(None, None, ("x", "y"), 8, tmp_path)  # type: ignore[arg-type]  # nobody is asked
    taught = Taught((Stage(tmp_path, "teacher"),), Teachers((member,), (1.0,), "logits"))
    return Classroom(
        taught,
        TeacherAnswers(Stage(tmp_path, logits), answers[:1], answers),
        both,
        Splits(own, rows("v"), rows("t"), ("x", "y"), 2),
    )


def workshop(tmp_path: Path) -> Workshop:
    return Workshop(Stages(tmp_path / "stages"), Silent(), Compute("cpu", bf16=False), 13, "accuracy", ())


def test_the_plain_student_sees_its_own_rows_and_no_teachers_answers(
    trainings: Recorder, tmp_path: Path
) -> None:
    room = classroom(tmp_path)
    methods: list[Distill] = [Logits(method="logits"), Plain(method="plain")]
    make_student(workshop(tmp_path), FromTeacher(), methods, room)
    (first, seen, logits, _), (second, own, none, _) = trainings.given
    assert (first, second) == ("logits", "plain")
    assert seen.texts == ["a", "b", "added"]
    assert logits is room.answers.transfer
    assert own is room.splits.train
    assert none is None


def test_other_answers_of_the_teacher_teach_the_plain_student_nothing_new(
    trainings: Recorder, tmp_path: Path
) -> None:
    for logits in ("logits", "other logits"):
        room = classroom(tmp_path, logits)
        for methods in ([Plain(method="plain")], [Logits(method="logits")]):
            make_student(workshop(tmp_path), FromTeacher(), methods, room)
    assert [method for method, *_ in trainings.given] == ["plain", "logits", "logits"]


def test_a_pretrained_student_is_made_again_where_its_folder_holds_another_model(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    built: list[str] = []

    def work(workshop: Workshop, name: str, inputs: dict[str, object], _: object) -> Stage:
        built.append(str(sorted(inputs.items(), key=str)))
        return Stage(tmp_path, name)

    monkeypatch.setattr(Workshop, "do", work)
    student = Pretrained(model=str(save_tiny_encoder(tmp_path / "encoder", layers=1)))
    shop, room = workshop(tmp_path), classroom(tmp_path)
    steps._start(shop, student, room, "student-start")
    steps._start(shop, student, room, "student-start")
    save_tiny_encoder(tmp_path / "encoder", layers=2)
    steps._start(shop, student, room, "student-start")
    assert built[0] == built[1] != built[2]
