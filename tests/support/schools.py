"""A tiny teacher of one task with all that a student learns from: steps of a run, without what is exported."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from every_task import TaskCase
from tiny import tiny_recipe

from compress.distill import Distill
from compress.models.trained import Trained
from compress.pipeline import open_workshop, transfer_set
from compress.prepare import Prepared, check_methods, prepare
from compress.progress import Silent
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe
from compress.stage import Stages
from compress.steps.student import Classroom, make_student
from compress.steps.teachers import answer_once, teach_teachers
from compress.steps.transfer import Transfer
from compress.students import FromTeacher
from compress.workshop import Workshop


@dataclass(frozen=True)
class School:
    """What a run has before its student is taught."""

    recipe: Mapping[str, Any]
    config: RunConfig
    prepared: Prepared
    workshop: Workshop
    transfer: Transfer
    room: Classroom

    @property
    def teacher(self) -> Trained:
        return self.room.taught.teachers.first

    def learnt(self, *methods: Distill) -> Trained:
        """A student of two of the teacher's four layers, after these methods; as it begins where there is none."""
        check_methods(self.config, self.prepared, {f"distill.{at}": one for at, one in enumerate(methods)})
        return make_student(self.workshop, FromTeacher(layers=2, start="first"), methods, self.room)[1]

    def with_data(self, changes: Mapping[str, Any], **others: Any) -> "School":
        """The same teacher, with other keys of `data:` and of the recipe."""
        data = {**self.recipe["data"], **changes}
        return _open({**self.recipe, **others, "data": data}, self.workshop.stages.root.parent)


def open_school(case: TaskCase, encoder: Path, folder: Path, epochs: int, rows: int = 280) -> School:
    """Trains the teacher for so many epochs; everything lies in the folder."""
    small = replace(case, splits={"train": rows, "test": 40})
    recipe = tiny_recipe(small.write(folder / "data"), encoder) | {
        key: value for key, value in case.recipe.items() if key != "data"
    }
    recipe["data"] |= case.recipe.get("data", {})
    recipe["teacher"]["train"]["epochs"] = epochs
    return _open(recipe, folder)


def _open(recipe: Mapping[str, Any], folder: Path) -> School:
    config = check_recipe(recipe)
    assert isinstance(config, RunConfig)
    prepared = prepare(config)
    workshop = open_workshop(config, prepared, Stages(folder / "stages"), Silent())
    taught = teach_teachers(workshop, config, prepared)
    transfer = transfer_set(workshop, config, prepared, taught)
    assert transfer is not None
    answers = answer_once(workshop, taught, prepared.splits, transfer.rows)
    room = Classroom(taught, answers, transfer.rows, prepared.splits)
    return School(recipe, config, prepared, workshop, transfer, room)
