"""The stages of one teacher and of several: what they depend on, and what is drawn in them."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
from tiny import tiny_recipe

from compress.models.trained import Trained
from compress.prepare import Prepared, prepare
from compress.progress import Silent
from compress.recipe import RunConfig
from compress.recipe_file import check_recipe
from compress.stage import Stages
from compress.steps import teachers as steps
from compress.steps.teachers import Taught, teach_teachers
from compress.training.loop import Session
from compress.workshop import Workshop


class Drawing:
    """Stands in for a training: it draws a head and a seed."""

    def __init__(self) -> None:
        self.heads: list[float] = []
        self.seeds: list[int] = []

    def __call__(self, *arguments: Any) -> Mapping[str, object]:
        session = arguments[-1]
        assert isinstance(session, Session)
        self.heads.append(float(torch.rand(())))
        self.seeds.append(session.seed)
        return {"selection_score": 0.5}


@pytest.fixture
def drawing(monkeypatch: pytest.MonkeyPatch) -> Drawing:
    stand_in = Drawing()
    monkeypatch.setattr(steps, "make_teacher", stand_in)
    labels = ("food", "sport", "travel")
    monkeypatch.setattr(
        steps,
        "load_trained",
        lambda folder, **_: Trained(None, None, labels, 64, folder),  # type: ignore[arg-type]  # nobody is asked
    )
    return stand_in


def asked(
    data: Path, encoder: Path, *teachers: Mapping[str, Any], **changes: Any
) -> tuple[RunConfig, Prepared]:
    recipe = tiny_recipe(data, encoder) | changes
    if teachers:
        recipe["teacher"] = [{**recipe["teacher"], **teacher} for teacher in teachers]
    config = check_recipe(recipe)
    assert isinstance(config, RunConfig)
    return config, prepare(config)


def taught(folder: Path, config: RunConfig, prepared: Prepared) -> Taught:
    workshop = Workshop(
        Stages(folder), Silent(), prepared.compute, config.seed, config.metric, tuple(config.report_to)
    )
    return teach_teachers(workshop, config, prepared)


def test_one_teacher_in_a_list_is_the_same_teacher(
    drawing: Drawing, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    alone = taught(tmp_path, *asked(tiny_data, tiny_encoder))
    listed = taught(tmp_path, *asked(tiny_data, tiny_encoder, {"weight": 2.0}, average="probabilities"))
    assert alone.stages == listed.stages
    assert alone.digest == listed.digest
    assert len(drawing.heads) == 1


def test_a_head_follows_from_the_seed_and_not_from_what_was_done_before(
    drawing: Drawing, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    for state in (1, 2):
        torch.manual_seed(state)
        taught(tmp_path / str(state), *asked(tiny_data, tiny_encoder, {}, {}))
    assert drawing.heads[:2] == drawing.heads[2:]


def test_two_teachers_of_one_model_are_two_teachers(
    drawing: Drawing, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """With equal seeds they would be one, and their average nothing."""
    found = taught(tmp_path, *asked(tiny_data, tiny_encoder, {}, {}))
    assert drawing.heads[0] != drawing.heads[1]
    assert drawing.seeds[0] != drawing.seeds[1]
    assert found.stages[0].digest != found.stages[1].digest
    assert [stage.folder.name.rpartition("-")[0] for stage in found.stages] == ["teacher", "teacher-2"]


@pytest.mark.parametrize(
    ("teachers", "changes"),
    [
        (({}, {"weight": 3.0}), {}),
        (({}, {}), {"average": "probabilities"}),
        (({}, {"train": {"epochs": 1}}), {}),
    ],
)
def test_what_an_average_is_made_of_is_in_its_digest(
    teachers: tuple[dict[str, Any], ...],
    changes: dict[str, Any],
    drawing: Drawing,
    tiny_data: Path,
    tiny_encoder: Path,
    tmp_path: Path,
) -> None:
    plain = taught(tmp_path, *asked(tiny_data, tiny_encoder, {}, {}))
    changed = taught(tmp_path, *asked(tiny_data, tiny_encoder, *teachers, **changes))
    assert plain.digest != changed.digest
    assert plain.stages[0] == changed.stages[0]  # and the first teacher is not trained again


def test_weights_and_average_reach_the_teachers(
    drawing: Drawing, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    found = taught(
        tmp_path, *asked(tiny_data, tiny_encoder, {"weight": 3.0}, {}, average="probabilities")
    ).teachers
    assert (found.weights, found.average) == ((3.0, 1.0), "probabilities")


def test_labels_spelled_otherwise_are_the_same_labels(
    drawing: Drawing, tiny_data: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spelled = iter([("food", "sport", "travel"), ("Travel", "food", "Sport")])
    monkeypatch.setattr(
        steps,
        "load_trained",
        lambda folder, **_: Trained(None, None, next(spelled), 64, folder),  # type: ignore[arg-type]  # nobody is asked
    )
    found = taught(tmp_path, *asked(tiny_data, tiny_encoder, {}, {})).teachers
    assert found.members[1].labels == ("travel", "food", "sport")
