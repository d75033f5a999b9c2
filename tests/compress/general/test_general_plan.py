"""`--dry-run` of general distillation: what is said before anything is trained, and that nothing is."""

import json
import sys
from pathlib import Path

import pytest
from general import RecipeOf
from transformers import AutoModel

from compress.cli import main


def dry_run(recipe: object, folder: Path, monkeypatch: pytest.MonkeyPatch, *options: str) -> None:
    """Ends as a command that went well, and leaves nothing behind."""
    file = folder / "mine.yaml"
    file.write_text(json.dumps(recipe))
    arguments = ["run", str(file), "--dry-run", "--out", str(folder / "run"), *options]
    monkeypatch.setattr(sys, "argv", ["compress", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    assert sorted(entry.name for entry in folder.iterdir()) == ["mine.yaml"]


def test_the_plan_as_json(
    recipe_of: RecipeOf,
    tiny_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    recipe = recipe_of("distilbert", epochs=2)
    recipe["teacher"]["train"] = {"epochs": 1}
    recipe["data"]["max_length"] = 12
    dry_run(
        recipe, tmp_path, monkeypatch, "--json", "--set", "data.max_lines=100", "--set", "student.layers=1"
    )
    plan = json.loads(capsys.readouterr().out)
    assert plan["lines"] + plan["held_out"] == 100
    assert plan["held_out"] == 10
    assert (plan["teacher_layers"], plan["student_layers"]) == (4, 1)
    encoder = AutoModel.from_pretrained(tiny_encoder, add_pooling_layer=False)
    layer = sum(parameter.numel() for parameter in encoder.encoder.layer[0].parameters())
    assert plan["teacher_parameters"] == encoder.num_parameters()
    assert plan["student_parameters"] == encoder.num_parameters() - 3 * layer
    assert plan["max_length"] == 12
    assert 0 < plan["share_cut"] < 1
    assert plan["mean_length"] > 8
    stages = plan["expected_seconds"]
    assert set(stages) == {"teacher, filling masks", "student, 1 distilbert", "nearness"}
    assert all(seconds > 0 for seconds in stages.values())


def test_the_plan_for_people(
    recipe_of: RecipeOf, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    dry_run(recipe_of("tinybert"), tmp_path, monkeypatch)
    told = capsys.readouterr().out
    for piece in (
        "Plan of mine, nothing trained",
        "64 held out",
        "2 layers",
        "student, 1 tinybert",
        "in all",
    ):
        assert piece in told
    assert str(tmp_path / "run" / "encoder") in "".join(told.split("writes")[1].split())
