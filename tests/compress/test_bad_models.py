"""Teachers that cannot be loaded, or that do not fit the data: ways to spoil one, the cases, the test."""

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from mistakes import Case, Spoil, check, setting
from tiny import tiny_recipe

THREE = {0: "food", 1: "sport", 2: "travel"}


def model_without(*files: str) -> Spoil:
    def spoil(recipe: dict[str, Any], folder: Path) -> None:
        copy = folder / "model"
        shutil.copytree(recipe["teacher"]["model"], copy)
        for file in files:
            (copy / file).unlink()
        recipe["teacher"]["model"] = str(copy)

    return spoil


def broken_weights(recipe: dict[str, Any], folder: Path) -> None:
    model_without()(recipe, folder)
    (folder / "model" / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")


def untrained_head(recipe: dict[str, Any], _: Path) -> None:
    del recipe["teacher"]["train"]


def classifier(labels: dict[int, str]) -> Spoil:
    """A teacher that was saved as a classifier with these labels; its head is random, so it answers at chance."""

    def spoil(recipe: dict[str, Any], folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification

        source = recipe["teacher"]["model"]
        copy = folder / "classifier"
        shutil.copytree(source, copy)
        model = AutoModelForSequenceClassification.from_pretrained(
            source, num_labels=len(labels), id2label=labels, label2id={name: i for i, name in labels.items()}
        )
        model.save_pretrained(str(copy))
        recipe["teacher"]["model"] = str(copy)
        del recipe["teacher"]["train"]

    return spoil


def headless_classifier(recipe: dict[str, Any], folder: Path) -> None:
    """A config that says classifier beside the weights of an encoder alone."""
    model_without()(recipe, folder)
    config = json.loads((folder / "model" / "config.json").read_text())
    config |= {"architectures": ["BertForSequenceClassification"], "id2label": THREE, "label2id": {}}
    (folder / "model" / "config.json").write_text(json.dumps(config))
    del recipe["teacher"]["train"]


CASES = [
    Case(
        "unknown model folder",
        setting("teacher.model", "./no-such-model"),
        ("./no-such-model", "config.json", "teacher.model"),
    ),
    Case("no name that the Hub can have", setting("teacher.model", "my model"), ("my model", "owner/name")),
    Case("model without config", model_without("config.json"), ("no config.json", "save_pretrained")),
    Case(
        "model without weights",
        model_without("model.safetensors"),
        ("no weights", "model.safetensors", "LFS"),
    ),
    Case(
        "model without tokenizer",
        model_without("tokenizer.json", "tokenizer_config.json"),
        ("holds no tokenizer", "tokenizer.json", "save_pretrained"),
    ),
    Case("weights that are a pointer", broken_weights, ("model", "cannot be loaded", "whole")),
    Case(
        "a head whose weights are missing",
        headless_classifier,
        ("no weights for classifier", "teacher.train"),
    ),
    Case(
        "head never trained", untrained_head, ("no trained classification head", "BertModel", "teacher.train")
    ),
    Case(
        "teacher at chance",
        classifier(THREE),
        ("at chance", "commonest label", "teacher.train"),
        after_training=True,
    ),
    Case(
        "labels of other names",
        classifier({0: "red", 1: "green", 2: "blue"}),
        ("food", "red, green, blue", "teacher.train"),
    ),
    Case("labels of another number", classifier({0: "food", 1: "sport"}), ("2 labels", "the data has 3")),
    Case(
        "teacher that says LABEL_0",
        classifier({0: "LABEL_0", 1: "LABEL_1", 2: "LABEL_2"}),
        ("LABEL_0", "food", "data.labels: {0: food"),
    ),
    Case("a regression model", classifier({0: "score"}), ("1 outputs", "set problem_type")),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_model_gets_one_clear_message(
    case: Case, tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    check(case, tiny_recipe(tiny_data, tiny_encoder), tmp_path)


def test_the_table_is_whole() -> None:
    """An empty table would pass in silence, and of two cases of one name one was meant to be another."""
    assert len(CASES) >= 13
    assert len({case.name for case in CASES}) == len(CASES)
