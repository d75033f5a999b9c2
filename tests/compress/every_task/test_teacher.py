"""Every task's teacher in PyTorch beside its student: live on the page, and timed."""

import io
import json
import runpy
import subprocess
import warnings
from contextlib import redirect_stdout

import pytest
from done import Done

import serve
from app.answered import AnsweredRows
from app.evaluation import read_rows
from app.tasks import task_of
from app.views.rows import against_report
from compress.bench.cold import cold_start
from compress.bench.contenders import contenders
from compress.demo import live_teacher
from serve.bundle import EVALUATION, read


def test_the_demo_shows_it_and_its_teacher_answers_live_as_it_did(done: Done) -> None:
    """From the teacher's own folder, in PyTorch; on the rows that were stored."""
    manifest = read(done.run.bundle).manifest
    task = task_of(manifest.answering, manifest.labels)
    rows = read_rows(done.run.bundle / EVALUATION, task)
    found = AnsweredRows(rows, serve.load(done.run.bundle), task=task)
    found.finish(120)
    assert sum(one.apart.agree for one in found.done) == round(done.run.report.fidelity.agreement * len(rows))
    assert "as in the report" in against_report(
        json.loads(done.run.report.model_dump_json()), found.done, task
    )
    some = rows[:20]
    live = live_teacher(str(done.run.teacher), done.run.bundle).predict([row.asked for row in some])
    for row, answer in zip(some, live, strict=True):
        apart = task.difference(row.asked, row.teacher, answer)
        assert apart.agree
        assert abs(apart.change) < 1e-4


def test_its_teacher_in_pytorch_can_be_timed_beside_it(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    """`compress bench --against` opens it with the head of the bundle's task, not as a text classifier."""
    if not done.case.is_tiny_run:  # one process that imports everything anew is enough
        monkeypatch.setattr("compress.bench.cold.subprocess.run", in_this_process)
    folder = done.run.teacher
    runtime = serve.load(done.run.bundle)
    (teacher,) = contenders(str(folder), "cpu", runtime.answering)
    asked = done.case.asked(["a long goal", "the game of the team"])
    opened = teacher.opened(1)
    answers = opened.predict(asked)
    assert teacher.task == runtime.answering.TASK
    assert [type(one) for one in answers] == [type(one) for one in runtime.predict(asked)]
    opened.logits_of(opened.tokens(asked))
    begun = cold_start(str(folder), "cpu", "fp32", str(done.run.bundle), starts=1)
    assert begun.peak_memory_mb > 0


def in_this_process(command: list[str], **_: object) -> subprocess.CompletedProcess[str]:
    """What `python -m MODULE` would do and print."""
    _python, _m, module, *arguments = command
    stdout = io.StringIO()
    with pytest.MonkeyPatch.context() as patch, redirect_stdout(stdout), warnings.catch_warnings():
        patch.setattr("sys.argv", [module, *arguments])
        warnings.filterwarnings(
            "ignore", message=f".*{module}.*found in sys.modules", category=RuntimeWarning
        )
        runpy.run_module(module, run_name="__main__")
    return subprocess.CompletedProcess(command, 0, stdout.getvalue(), "")
