"""`compress compare` on a tiny task: one teacher, a fair grid, stopped and gone on with, and what it leaves."""

import json
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from command import command
from mistakes import complaint, require
from tiny import TinyRun, tiny_rows

from compress.compare import pipeline
from compress.compare.asked import Lineup, parse_methods
from compress.compare.document import Comparison
from compress.compare.pipeline import FIGURES, ROWS, start_comparison
from compress.distill import Distill
from compress.judge.answers import read_answers
from compress.progress import Progress, Silent
from compress.stage import MANIFEST
from compress.training.loop import training_steps

RATES = (1e-5, 3e-3)  # the first one teaches nothing in so few steps


def stage_times(folder: Path) -> dict[str, int]:
    return {path.parent.name: path.stat().st_mtime_ns for path in folder.glob(f"stages/*/{MANIFEST}")}


def kinds(names: Sequence[str]) -> set[str]:
    return {name.rpartition("-")[0] for name in names}


def recipe(tiny_run: TinyRun, **changes: Any) -> dict[str, Any]:
    distill = [{**tiny_run.recipe["distill"][0], "epochs": 2}]
    return {**tiny_run.recipe, "distill": distill, **changes}


def written(folder: Path, values: Mapping[str, Any]) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    file = folder / "recipe.yaml"
    file.write_text(json.dumps(dict(values)))
    return file


def compared(
    file: Path,
    out: Path,
    methods: str = "logits",
    *,
    seeds: Sequence[int] | int = 1,
    rates: Sequence[float] = (),
    fresh: bool = False,
    progress: Progress | None = None,
) -> Comparison:
    found, folder = start_comparison(
        file,
        parse_methods(methods),
        seeds,
        rates,
        out=out,
        overrides=(),
        fresh=fresh,
        progress=progress or Silent(),
    )
    assert folder == out
    return found


@dataclass(frozen=True)
class Made:
    folder: Path
    file: Path
    comparison: Comparison
    before: dict[str, int]  # the stages of `compress run`, which were there


@pytest.fixture(scope="module")
def made(tiny_run: TinyRun, tmp_path_factory: pytest.TempPathFactory) -> Made:
    """A comparison in the folder of a finished run of the same recipe."""
    folder = tmp_path_factory.mktemp("compare") / "run"
    shutil.copytree(tiny_run.folder, folder)
    before = stage_times(folder)
    file = written(folder, recipe(tiny_run))
    return Made(folder, file, compared(file, folder, rates=RATES), before)


def test_the_teacher_of_a_run_is_shared(made: Made) -> None:
    after = stage_times(made.folder)
    assert {name: after[name] for name in made.before} == made.before
    new = kinds(sorted(set(after) - set(made.before)))
    assert "teacher" not in new
    assert "teacher-logits" not in new
    assert {"plain-1-plain", "logits-1-logits", "plain-onnx", "logits-answers"} <= new


def test_the_rate_is_chosen_by_the_selection_rows_from_the_same_grid_for_all(made: Made) -> None:
    for name in ("plain", "logits"):
        stages = [*made.folder.glob(f"stages/{name}-1-*/{MANIFEST}")]
        scores = [json.loads(stage.read_text())["facts"]["selection_score"] for stage in stages]
        assert len(scores) == len(RATES)
        assert min(scores) < max(scores)
        (row,) = [row for row in made.comparison.methods if row.name == name]
        (seed,) = row.seeds
        assert seed.selection_score == max(scores)
        assert seed.learning_rate == RATES[1]


def test_the_time_is_that_of_the_training_that_was_chosen(made: Made) -> None:
    chosen = {row.name: row.training_seconds for row in made.comparison.methods}
    for name in ("plain", "logits"):
        stages = [
            json.loads(stage.read_text())["facts"]
            for stage in made.folder.glob(f"stages/{name}-1-*/*.json")
            if stage.name == MANIFEST
        ]
        best = max(stages, key=lambda facts: facts["selection_score"])
        assert chosen[name] == pytest.approx(best["seconds"])


def test_what_is_told_is_what_the_answers_on_disk_say(made: Made, tiny_run: TinyRun) -> None:
    from compress.data.load import load_splits
    from compress.recipe import DataOptions

    gold = load_splits(DataOptions(path=str(tiny_run.recipe["data"]["path"])), 13).test.labels
    assert gold is not None
    (plain,) = made.folder.glob("stages/plain-answers-*")
    (logits,) = made.folder.glob("stages/logits-answers-*")
    right = [read_answers(stage).argmax(axis=1) == gold for stage in (logits, plain)]
    rows = {row.name: row for row in made.comparison.methods}
    assert list(rows) == ["teacher", "plain", "logits", "tf-idf"]
    assert rows["logits"].score == pytest.approx(right[0].mean())
    assert rows["logits"].gain is not None
    assert rows["logits"].gain.value == pytest.approx(right[0].mean() - right[1].mean())
    assert rows["teacher"].score == pytest.approx(tiny_run.report.models[0].score)


def test_it_leaves_a_page_a_document_and_a_row_for_each(made: Made) -> None:
    assert Comparison.model_validate_json((made.folder / FIGURES).read_text()) == made.comparison
    assert (made.folder / "compare.html").read_text().startswith("<!doctype html>")
    assert {path.name for path in (made.folder / ROWS).iterdir()} == {
        "plain-seed-13.json",
        "logits-seed-13.json",
    }
    document = json.loads((made.folder / ROWS / "logits-seed-13.json").read_text())
    assert document["learning_rate"] == RATES[1]
    (logits,) = (row for row in made.comparison.methods if row.name == "logits")
    assert len(document["right"]) == made.comparison.rows["test"]
    assert document["right"].count("1") == round(logits.score * made.comparison.rows["test"])


def test_the_command_that_gives_it_again_asks_for_the_same(made: Made) -> None:
    command = made.comparison.reproduce
    assert command == (
        f"compress compare {made.file} --methods logits --seeds 1 --learning-rates 1e-05,0.003 --out {made.folder}"
    )


def test_a_second_call_does_nothing_again_and_prints_one_document(
    made: Made, capfd: pytest.CaptureFixture[str]
) -> None:
    before = stage_times(made.folder)
    rates = ",".join(map(str, RATES))
    asked = (made.file, "--methods", "logits", "--learning-rates", rates, "--out", made.folder)
    done = command("compare", *asked, "--json")
    assert done.code == 0, done.stderr
    assert capfd.readouterr().out == ""
    assert stage_times(made.folder) == before
    again = Comparison.model_validate_json(done.stdout)
    assert again.model_dump(exclude={"created"}) == made.comparison.model_dump(exclude={"created"})
    assert "logits-1-logits: done before" in done.stderr


def test_killed_and_started_again_it_goes_on(made: Made, tiny_run: TinyRun, tmp_path: Path) -> None:
    out = tmp_path / "run"
    shutil.copytree(tiny_run.folder / "stages", out / "stages")
    file = written(tmp_path, recipe(tiny_run, export={"target": "portable"}))  # the quickest to be exported
    asked = ["compare", str(file), "--methods", "logits", "--out", str(out)]
    process = subprocess.Popen(
        [sys.executable, "-m", "compress", *asked], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    deadline = time.monotonic() + 240
    while not (out / ROWS / "plain-seed-13.json").is_file():
        assert process.poll() is None, "it ended before it could be killed"
        assert time.monotonic() < deadline
        time.sleep(0.02)
    process.send_signal(signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    assert not (out / FIGURES).exists()
    before = stage_times(out)
    found = compared(file, out)
    after = stage_times(out)
    assert {name: after[name] for name in before} == before
    assert "plain-1-plain" in kinds(sorted(before))
    assert [row.name for row in found.methods] == ["teacher", "plain", "logits", "tf-idf"]


def test_seeds_are_counted_up_and_every_method_has_all_of_them(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    answer = np.zeros(150, dtype=np.int64)

    def made_up(workshop: Any, config: Any, room: Any, lineup: Lineup, seed: int, rates: Any) -> Any:
        asked.append((lineup.name, seed))
        run = pipeline.StudentRun(lineup.name, seed, answer, selection_score=0.5, training_seconds=1.0)
        return run, None

    monkeypatch.setattr(pipeline, "_student_run", made_up)
    monkeypatch.setattr(pipeline, "_setting", lambda *_: (_ for _ in ()).throw(_EnoughError()))
    out = tmp_path / "run"
    shutil.copytree(tiny_run.folder / "stages", out / "stages")
    with pytest.raises(_EnoughError):
        compared(written(tmp_path, recipe(tiny_run)), out, "logits,theseus", seeds=2)
    assert asked == [(name, seed) for seed in (13, 14) for name in ("plain", "logits", "theseus")]


class _EnoughError(Exception):
    pass


def test_the_plain_student_has_as_many_steps_as_the_others(
    tiny_run: TinyRun, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Also where they have more rows to learn from than it has."""
    more = tmp_path / "more.txt"
    more.write_text("\n".join(text for text, _ in tiny_rows(300, seed=9)) + "\n")
    given: dict[str, tuple[Distill, int]] = {}

    def listening(workshop: Any, student: Any, methods: Sequence[Distill], room: Any, name: str) -> Any:
        (method,) = methods
        given[name] = (method, len(room.splits.train if name == "plain" else room.transfer))
        raise _EnoughError

    monkeypatch.setattr(pipeline, "make_student", listening)
    out = tmp_path / "run"
    shutil.copytree(tiny_run.folder / "stages", out / "stages")
    file = written(tmp_path, recipe(tiny_run, data={**tiny_run.recipe["data"], "unlabeled": str(more)}))
    for methods in (parse_methods("logits")[:1], parse_methods("logits")[1:]):
        monkeypatch.setattr(pipeline, "_lineups", lambda *_, chosen=methods: chosen)
        with pytest.raises(_EnoughError):
            compared(file, out, rates=(2e-3,))
    assert given["plain"][1] < given["logits"][1]
    assert training_steps(*given["plain"]) == training_steps(*given["logits"])
    assert given["plain"][0].learning_rate == given["logits"][0].learning_rate == 2e-3


def test_data_without_labels_has_no_plain_student_and_no_floor(tiny_run: TinyRun, tmp_path: Path) -> None:
    teacher = tiny_run.teacher
    texts = tmp_path / "texts.csv"
    texts.write_text("text\n" + "\n".join(text for text, _ in tiny_rows(300, seed=5)) + "\n")
    values = recipe(tiny_run, data={"path": str(texts)}, teacher={"model": str(teacher)})
    file = written(tmp_path, values)
    found = compared(file, tmp_path / "run")
    assert [row.name for row in found.methods] == ["teacher", "logits"]
    assert found.metric is None
    assert found.helped is None
    assert found.methods[1].gain is None
    assert found.methods[1].score == found.methods[1].agreement
    said = complaint("compare", str(file), "--methods", "plain+logits", "--out", str(tmp_path / "other"))
    require(said, "--methods plain+logits: plain learns from labels, and the data has none")
    assert not (tmp_path / "other").exists()


@pytest.mark.parametrize(
    ("arguments", "changes", "says"),
    [
        (("--methods", "logit"), {}, ("--methods names 'logit'", "did you mean 'logits'?")),
        (("--methods", "match"), {}, ("'match', which needs matches",)),
        (("--methods", "logits", "--seeds", "0"), {}, ("--seeds 0", "for example --seeds 3")),
        (("--methods", "logits", "--learning-rates", "5"), {}, ("--learning-rates 5", "between 0 and 1")),
        (
            ("--methods", "logits,theseus"),
            {"student": {"layers": 3}},
            (
                "--methods theseus: the method theseus cannot be used",
                "3 layers and its teacher 4",
                "student.layers: 2",
            ),
        ),
        (
            ("--methods", "logits,tinybert"),
            {"student": {"architecture": "bilstm"}},
            ("--methods tinybert+logits (1 of 2)", "compress-bilstm"),
        ),
        (
            ("--methods", "logits"),
            {"student": None, "distill": []},
            ("a comparison needs a task with a student",),
        ),
    ],
)
def test_what_cannot_be_compared_is_told_before_anything_is_trained(
    arguments: Sequence[str], changes: dict[str, Any], says: Sequence[str], tiny_run: TinyRun, tmp_path: Path
) -> None:
    file = written(tmp_path, recipe(tiny_run, **changes))
    said = complaint("compare", str(file), *arguments, "--out", str(tmp_path / "run"))
    require(" ".join(said.split()), *says, "expected:", "to do:")
    assert not (tmp_path / "run").exists()


def test_a_comparison_that_cannot_be_with_fresh_destroys_nothing(tiny_run: TinyRun, tmp_path: Path) -> None:
    kept = tmp_path / "run" / "stages" / "teacher-0123456789" / MANIFEST
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    file = written(tmp_path, recipe(tiny_run, student={"layers": 3}))
    complaint("compare", str(file), "--methods", "theseus", "--fresh", "--out", str(tmp_path / "run"))
    assert kept.is_file()
