"""A bundle of any task as the page opens it, with its rows answered."""

import json
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from task_bundles import Made, Recipe, make_bundles

import serve
from app.evaluation import read_rows
from app.subject import Subject, subject
from app.tasks import task_of
from serve.bundle import read
from serve.inputs import Input
from serve.tasks import Answer


@dataclass(frozen=True)
class Shown:
    """A task's bundle, opened."""

    recipe: Recipe
    made: Made
    about: Subject
    url: str = ""  # of its page, where it has one

    @property
    def answers(self) -> tuple[list[Answer], list[Answer]]:
        """The teacher's to all rows, and the student's, from their own files."""
        found = [
            serve.load(path, threads=1).predict(self.asked) for path in (self.made.teacher, self.made.student)
        ]
        return found[0], found[1]

    @property
    def asked(self) -> list[Input]:
        return [row.asked for row in self.about.rows.rows]

    @property
    def report(self) -> dict[str, Any]:
        return dict(self.about.report)

    @property
    def texts(self) -> list[str]:
        """Names of the boxes."""
        return [field.name for field in self.about.form.fields]

    def typed(self, *texts: str) -> Input:
        return self.about.form.asked((texts * 2)[: len(self.texts)])


@contextmanager
def opened_task(recipe: Recipe, folder: Path, base: Path, report: Mapping[str, Any]) -> Iterator[Shown]:
    """Its bundles in `folder`, as `make_bundles` makes them, with all rows answered."""
    made = make_bundles(recipe, folder, base, report)
    about = _subject(made)
    about.rows.finish(60)
    try:
        yield Shown(recipe, made, about)
    finally:
        about.rows.stop()


def _subject(made: Made) -> Subject:
    manifest = read(made.student).manifest
    task = task_of(manifest.answering, manifest.labels)
    rows = read_rows(made.student / "evaluation.jsonl", task)
    report = json.loads((made.student / "report.json").read_text())
    student = serve.load(made.student, threads=1)
    return subject(made.name, report, rows, student, pairs=manifest.text_pair, task=task)
