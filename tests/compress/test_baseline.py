"""`baseline: true`: the same student without a teacher, fairly taught and fairly held against what ships.

The run learns from augmented and unlabelled texts too, which the plain student must not see.
"""

from collections.abc import Callable
from dataclasses import dataclass
from io import StringIO
from math import comb
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from mistakes import require, run_refused
from numpy.typing import NDArray
from rich.console import Console
from safetensors.numpy import load_file
from tiny import TinyRun, answers_on_disk, tiny_rows

import compress
from compress.data.rows import NO_LABEL, Rows, Splits
from compress.distill import Distill
from compress.judge.report import Baseline, Report
from compress.judge.table import render
from compress.steps import student as steps
from compress.training import loop

QUICK = {"seconds": 1, "texts": 10, "threads": 1}


@dataclass(frozen=True)
class Lesson:
    """What one training was given."""

    method: str
    rows: Rows
    logits: NDArray[np.float32] | None


@dataclass(frozen=True)
class Run:
    folder: Path
    report: Report
    lessons: list[Lesson]
    steps: list[int]  # optimiser steps of each training
    gold: NDArray[np.int64]


@pytest.fixture(scope="module")
def teacher(tiny_run: TinyRun) -> Path:
    (folder,) = tiny_run.folder.glob("stages/teacher-??????????")
    return folder


def recipe(tiny_run: TinyRun, teacher: Path, **changes: Any) -> dict[str, Any]:
    values = {
        **tiny_run.recipe,
        "teacher": {"model": str(teacher)},
        "baseline": True,
        "distill": [
            {"method": "tinybert", "epochs": 1, "learning_rate": 1e-3, "batch_size": 32},
            {"method": "logits", "epochs": 1.5, "learning_rate": 3e-3, "batch_size": 16},
        ],
        "benchmark": QUICK,
    }
    return values | changes


@pytest.fixture(scope="module")
def run(tiny_run: TinyRun, teacher: Path, tmp_path_factory: pytest.TempPathFactory) -> Run:
    folder = tmp_path_factory.mktemp("baseline")
    more = folder / "more.txt"
    more.write_text("\n".join(text for text, _ in tiny_rows(200, seed=9)) + "\n")
    values = recipe(tiny_run, teacher, augment={"copies": 1})
    values["data"] = {**tiny_run.recipe["data"], "unlabeled": str(more)}
    lessons: list[Lesson] = []
    taken: list[int] = []
    gold: list[NDArray[np.int64]] = []
    distil, train = steps.distil, loop.Trainer.train

    def listening(
        student: Any,
        teachers: Any,
        splits: Splits,
        logits: Any,
        selection: Any,
        method: Distill,
        session: Any,
        inside: Any,
    ) -> Any:
        lessons.append(Lesson(method.method, splits.train, logits))
        assert splits.test.labels is not None
        gold.append(splits.test.labels)
        return distil(student, teachers, splits, logits, selection, method, session, inside)

    def counting(trainer: Any, **options: Any) -> Any:
        done = train(trainer, **options)
        taken.append(trainer.state.global_step)
        return done

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(steps, "distil", listening)
        patch.setattr(loop.Trainer, "train", counting)
        report = compress.run(values, out=folder)
    assert isinstance(report, Report)
    return Run(folder, report, lessons, taken, gold[0])


def test_the_plain_student_learns_from_the_labels_of_train_alone(run: Run) -> None:
    *others, plain = run.lessons
    assert [lesson.method for lesson in run.lessons] == ["tinybert", "logits", "plain"]
    assert plain.logits is None
    assert len(plain.rows) == run.report.rows["train"]
    assert plain.rows.labels is not None
    assert NO_LABEL not in plain.rows.labels
    for lesson in others:
        assert lesson.logits is not None
        assert lesson.rows.labels is not None
        assert lesson.rows.texts[: len(plain.rows)] == plain.rows.texts
        added = lesson.rows.labels[len(plain.rows) :]
        assert len(added) > 400  # a copy of nearly every text, and the unlabelled ones
        assert set(added.tolist()) == {NO_LABEL}
        assert len(lesson.logits) == len(lesson.rows)


def test_it_takes_as_many_steps_as_all_stages_together(run: Run) -> None:
    *others, plain = run.steps
    assert len(others) == 2
    assert plain == sum(others)


def test_it_begins_as_the_other_began(run: Run) -> None:
    (ours,) = run.folder.glob("stages/student-start-*/model.safetensors")
    (theirs,) = run.folder.glob("stages/plain-start-*/model.safetensors")
    start, plain = load_file(ours), load_file(theirs)
    assert start.keys() == plain.keys()
    assert all(np.array_equal(start[name], plain[name]) for name in start)


def test_the_notes_count_what_was_added(run: Run) -> None:
    added = len(run.lessons[0].rows) - run.report.rows["train"]
    (note,) = [note for note in run.report.notes if note.startswith("the student learns from")]
    assert f"{run.report.rows['train'] + added:,} texts: {run.report.rows['train']:,} of train" in note
    assert "unlabelled" in note


def test_the_gain_and_the_test_are_those_of_the_answers_on_disk(run: Run) -> None:
    answers = answers_on_disk(run.folder)
    ours = answers["student onnxruntime int8"].argmax(axis=1) == run.gold
    theirs = answers["plain student onnxruntime int8"].argmax(axis=1) == run.gold
    found = run.report.baseline
    assert found is not None
    assert found.gain == pytest.approx(ours.mean() - theirs.mean())
    assert found.gain_ci[0] <= found.gain <= found.gain_ci[1]
    only_ours, only_theirs = int((ours & ~theirs).sum()), int((theirs & ~ours).sum())
    assert (found.only_distilled, found.only_plain) == (only_ours, only_theirs)
    apart, most = only_ours + only_theirs, max(only_ours, only_theirs)
    # McNemar's exact test: a fair coin tossed for every row that tells the two apart.
    tail = sum(comb(apart, count) for count in range(most, apart + 1)) / 2**apart
    assert found.p_value == pytest.approx(min(1.0, 2 * tail))
    rows = {row.name: row for row in run.report.models if row.precision == "int8"}
    assert rows["student"].score - rows["plain student"].score == pytest.approx(found.gain)
    assert run.report.models[-1].name == "student"  # which ships


def printed(report: Report) -> str:
    console = Console(width=80, no_color=True, file=StringIO())
    console.print(render(report))
    assert isinstance(console.file, StringIO)
    return console.file.getvalue()


def test_the_table_shows_both_in_80_columns(run: Run) -> None:
    text = printed(run.report)
    assert max(map(len, text.splitlines())) <= 80
    assert "plain student" in text
    assert "Helped?" in text
    assert f"{run.report.baseline.gain:+.3f}" in text  # type: ignore[union-attr]  # it has one
    assert "McNemar p =" in " ".join(text.split())  # wherever the line is broken


@pytest.mark.parametrize(
    ("interval", "word"),
    [((0.01, 0.05), "(more)"), ((-0.05, -0.01), "(less)"), ((-0.01, 0.05), "(not settled)")],
)
@pytest.mark.parametrize("metric", ["accuracy", "matthews"])
def test_no_interval_is_torn_apart(run: Run, interval: tuple[float, float], word: str, metric: str) -> None:
    baseline = Baseline(
        gain=sum(interval) / 2, gain_ci=interval, only_distilled=1_234, only_plain=1_111, p_value=0.0123
    )
    text = printed(run.report.model_copy(update={"baseline": baseline, "metric": metric}))
    assert max(map(len, text.splitlines())) <= 80
    assert f"[{interval[0]:+.3f}, {interval[1]:+.3f}]" in text
    assert word in " ".join(text.split())


def test_other_augmentation_teaches_the_student_again_and_not_its_teacher(
    tiny_run: TinyRun, teacher: Path, run: Run, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What the plain student does is its own rows', so it stays too where its steps do."""
    monkeypatch.setattr(steps, "distil", lambda *_: _stop())
    values = dict(run.report.recipe)
    before = {path.name for path in (run.folder / "stages").iterdir()}
    for change in ({"augment": {"copies": 1, "mask": 0.2}}, {"data": tiny_run.recipe["data"]}):
        with pytest.raises(_StoppedError):
            compress.run({**values, **change}, out=run.folder)
        made = {path.name for path in (run.folder / "stages").iterdir()} - before
        kinds = {name.rpartition("-")[0] for name in made}
        augmented = {"augment"} if "augment" in change else set()
        assert kinds == augmented | {"teacher-logits", "student-start", "student-1-tinybert"}
        before |= made


class _StoppedError(Exception):
    pass


def _stop() -> None:
    raise _StoppedError


def test_the_plan_counts_what_is_added_and_the_plain_student(
    run: Run, capsys: pytest.CaptureFixture[str]
) -> None:
    from compress.plan import make_plan
    from compress.progress import Silent
    from compress.recipe_file import check_recipe

    plan = make_plan(check_recipe(run.report.recipe), Silent())  # type: ignore[arg-type]  # no general recipe
    (note,) = [note for note in run.report.notes if note.startswith("the student learns from")]
    assert f"{plan.rows['unlabeled']} unlabelled" in note
    assert plan.rows["augmented, at most"] == plan.rows["train"] == run.report.rows["train"]
    assert plan.expected_seconds["plain student"] > 0


REFUSED: dict[str, Callable[[dict[str, Any], Path], None]] = {
    "baseline: true trains a student on labels": lambda recipe, _: recipe.update(baseline=True),
    "distill.1: method: plain trains a student on labels": lambda recipe, _: recipe.update(
        baseline=False, distill=[{"method": "logits"}, {"method": "plain"}]
    ),
}


@pytest.mark.parametrize("says", REFUSED)
def test_without_labels_there_is_no_plain_student(
    says: str, tiny_run: TinyRun, teacher: Path, tmp_path: Path
) -> None:
    file = tmp_path / "texts.csv"
    file.write_text("text\n" + "\n".join(text for text, _ in tiny_rows(100, seed=5)) + "\n")
    values = recipe(tiny_run, teacher, data={"path": str(file)})
    REFUSED[says](values, tmp_path)
    require(" ".join(run_refused(values, tmp_path).split()), says, "expected: labels to learn from", "to do:")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize(
    ("unlabeled", "says"),
    [
        ("nowhere/*.txt", "no file matches nowhere/*.txt (data.unlabeled)"),
        ("./more.tx", "no file matches ./more.tx (data.unlabeled)"),
        (".", ". is a folder"),
        (["./nothing.txt", "nowhere"], "no file matches ./nothing.txt"),
    ],
)
def test_unlabelled_files_that_are_not_there_are_told_and_nothing_is_left_behind(
    unlabeled: Any, says: str, tiny_run: TinyRun, teacher: Path, tmp_path: Path
) -> None:
    values = recipe(tiny_run, teacher)
    values["data"] = {**tiny_run.recipe["data"], "unlabeled": unlabeled}
    require(run_refused(values, tmp_path), says, "expected:", "to do:")
    assert not (tmp_path / "run").exists()
