"""Folders, texts and recipes of sentence embeddings: what is made of them, and what is refused."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from tiny import save_tiny_encoder, tiny_recipe, tiny_rows
from transformers import BertConfig

from compress.data.rows import Rows, Splits
from compress.errors import ModelError, UserError
from compress.models.sentence_folder import folder_reader, read_settings, write_settings
from compress.prepare import prepare
from compress.progress import Silent
from compress.recipe import RunConfig
from compress.recipe_file import read_recipe
from compress.starter import starting_recipe
from compress.steps.transfer import _two_and_two, new_texts


def test_a_folder_that_does_more_is_refused(tmp_path: Path) -> None:
    config = BertConfig()
    cases = (
        ("modules.json", [{"type": "sentence_transformers.models.Dense", "path": "2_Dense"}], "module Dense"),
        ("config_sentence_transformers.json", {"default_prompt_name": "query"}, "prompt 'query'"),
        ("1_Pooling/config.json", {"pooling_mode_weightedmean_tokens": True}, "weightedmean"),
        (
            "1_Pooling/config.json",
            {"pooling_mode_mean_tokens": True, "pooling_mode_cls_token": True},
            "mean_tokens, pooling_mode_cls",
        ),
    )
    for number, (name, document, words) in enumerate(cases):
        folder = tmp_path / str(number)
        folder.mkdir()
        write_settings(config, folder, 128)
        (folder / name).write_text(json.dumps(document))
        with pytest.raises(ModelError, match=words):
            read_settings(config, "it", folder_reader(str(folder), None, offline=True))


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"student": {"architecture": "bilstm"}}, "bilstm, which answers texts with labels"),
        ({"teacher": [{"model": "MODEL"}, {"model": "MODEL"}]}, "the vectors of two models have no mean"),
        ({"baseline": True, "data": {"columns": {"label": None}}}, "trains a student on labels"),
        ({"augment": {"substitute": 0.1}}, "pairs of texts"),
        (
            {"metric": "mrr", "data": {"columns": {"label": None}}, "teacher": {"train": {"epochs": 1}}},
            "teacher.train needs scores that differ",
        ),
    ],
)
def test_what_does_not_fit_is_refused_with_the_reason(
    change: dict[str, Any], words: str, tmp_path: Path, tiny_encoder: Path
) -> None:
    rows = [
        {"sentence1": f"goal {number}", "sentence2": "match", "label": number / 7} for number in range(40)
    ]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tiny_recipe(tmp_path, tiny_encoder) | {
        "task": "feature-extraction",
        "teacher": {"model": str(tiny_encoder)},
    }
    told = json.loads(json.dumps(change).replace("MODEL", str(tiny_encoder)))
    told["data"] = recipe["data"] | told.get("data", {})
    if isinstance(told.get("teacher"), dict):
        told["teacher"] = recipe["teacher"] | told["teacher"]
    with pytest.raises(UserError, match=words):
        prepare(RunConfig.model_validate(recipe | told))


def test_an_embedding_stage_is_refused_where_answers_are_labels(tiny_data: Path, tiny_encoder: Path) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["distill"] = [{"method": "embedding"}]
    with pytest.raises(UserError, match="the task is text-classification, whose answers are no vectors"):
        prepare(RunConfig.model_validate(recipe))


@pytest.mark.parametrize("scores", ["score", "label", None])
def test_init_sees_a_sentence_encoder(scores: str | None, tmp_path: Path) -> None:
    """Of pairs with scores, or texts without labels; a plain encoder answers such pairs with a number."""
    save_tiny_encoder(tmp_path / "plain", layers=4)
    shutil.copytree(tmp_path / "plain", tmp_path / "sentences")
    write_settings(BertConfig(hidden_size=32), tmp_path / "sentences", 128)
    drawn = [(text, other) for (text, _), (other, _) in zip(tiny_rows(60, 1), tiny_rows(60, 2), strict=True)]
    pairs = [
        {"sentence1": one, "sentence2": other, str(scores): number / 7}
        for number, (one, other) in enumerate(drawn)
    ]
    rows = pairs if scores else [{"text": row["sentence1"]} for row in pairs]
    lines = [json.dumps(row) for row in rows]
    (tmp_path / "train.jsonl").write_text("\n".join(lines), encoding="utf-8")
    data = str(tmp_path / "train.jsonl")
    file = starting_recipe(data, str(tmp_path / "sentences"), tmp_path / "recipe.yaml", Silent())
    written = file.read_text(encoding="utf-8")
    assert "task: sentence-similarity" in written
    assert "method: embedding" in written
    assert "  # used as it is: a sentence encoder" in written
    assert "whose cosine is within" in written
    assert ("min_retention" in written) == (scores is not None)
    assert isinstance(read_recipe(file), RunConfig)
    assert ("problem_type: regression" in written) == (scores is not None)  # how it is asked for otherwise
    if scores == "label":
        other = starting_recipe(data, str(tmp_path / "plain"), tmp_path / "other.yaml", Silent())
        assert "task: text-classification\nproblem_type: regression\n" in other.read_text(encoding="utf-8")


def test_pairs_without_scores_are_partners(tmp_path: Path, tiny_encoder: Path) -> None:
    rows = [{"sentence1": f"goal {text}", "sentence2": text} for text, _ in tiny_rows(60, seed=4)]
    (tmp_path / "train.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    recipe = tiny_recipe(tmp_path, tiny_encoder) | {
        "task": "sentence-similarity",
        "metric": "mrr",
        "teacher": {"model": str(tiny_encoder)},
        "distill": [{"method": "embedding"}],
    }
    prepared = prepare(RunConfig.model_validate(recipe))
    assert prepared.splits.is_labelled
    assert (
        prepared.task.marks("mrr", np.ones((3, 2, 4)), prepared.splits.test.take([0, 1, 2])).tolist()
        == [1] * 3
    )
    gated = prepare(RunConfig.model_validate(recipe | {"metric": "spearman"}))
    assert not gated.splits.is_labelled


def test_unlabelled_texts_join_pairs_two_and_two() -> None:
    splits = Splits(
        Rows([("a", "b"), ("c", "d")], None), Rows([("e", "f")], None), Rows([("g", "h")], None), None, 0
    )
    found, held_out = new_texts(["a", "d ", "h", "x", "y", "z", "x"], splits)
    assert (found, held_out) == (["x", "y", "z"], 1)
    assert _two_and_two(found) == [("x", "y"), ("z", "x")]
