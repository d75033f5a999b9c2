"""Chinese from texts to answers: each character a token, cut where it should be, offsets of the text itself."""

# ruff: noqa: RUF001  the signs of full width are what is tested

import csv
from pathlib import Path

import numpy as np
import pytest
from chinese import MOST, TOPICS, character_tokenizer, chinese_rows, save_character_encoder
from datasets import load_dataset
from fastapi.testclient import TestClient
from served import make_app
from tiny import TinyRun, tiny_recipe, write_csv

import compress
import serve
from compress.cli import main
from compress.data.load import load_splits
from compress.recipe import DataOptions
from compress.recipe_file import read_recipe
from compress.start import shipped_recipe
from compress.tasks.words import joined
from serve.encoding import read
from serve.tasks import TokenClassification

SHARED = Path(__file__).parents[2].parent / "shared/data"
NO_SHARED = "needs the data set in ../shared/data"
MIXED = "我在iPhone上看\U0001f600球赛，很好吃的汤：）"


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> TinyRun:
    data, rows = tmp_path_factory.mktemp("data"), chinese_rows(450, 1)
    write_csv(data / "train.csv", rows)
    write_csv(data / "test.csv", chinese_rows(90, 2))
    encoder = save_character_encoder(tmp_path_factory.mktemp("encoder"), [text for text, _ in rows])
    recipe = tiny_recipe(data, encoder)
    recipe["student"] = {"layers": 1}
    recipe["export"] = {"target": "portable"}  # the quickest: a graph reads ids, of whatever language
    folder = tmp_path_factory.mktemp("run")
    return TinyRun(recipe, folder, compress.run(recipe, out=folder))


def test_the_chain_learns_it(run: TinyRun) -> None:
    teacher, shipped = run.report.models[0], run.report.models[-1]
    assert teacher.score > 0.85
    assert shipped.precision == "int8"
    assert run.report.fidelity.agreement > 0.8
    assert set(run.report.labels) == set(TOPICS)
    rows = (run.bundle / "evaluation.jsonl").read_text(encoding="utf-8")
    assert "\\u" not in rows  # people read it


def test_each_character_is_a_token_and_what_is_too_long_loses_its_end(run: TinyRun) -> None:
    model = serve.load(run.bundle)
    long = "".join(text for text, _ in chinese_rows(9, 3))
    fits = long[: MOST - 2]
    whole, cut, short = model.predict([fits, long, "球赛"])
    assert (whole.tokens, whole.truncated) == (MOST, False)
    assert (cut.tokens, cut.truncated) == (MOST, True)
    assert (short.tokens, short.truncated) == (4, False)
    assert cut.probabilities == whole.probabilities  # the very beginning was read, not a part of a character


def test_csv_and_endpoint_and_command_answer_alike(run: TinyRun, tmp_path: Path) -> None:
    texts = [text for text, _ in chinese_rows(6, 4)] + [MIXED]
    expected = serve.load(run.bundle).predict(texts)
    with TestClient(make_app(run.bundle), "http://localhost") as client:
        reply = client.post("/", json={"inputs": texts})
    assert [one[0]["label"] for one in reply.json()] == [one.label for one in expected]
    assert expected[0].label in reply.content.decode()  # as it is written, not escaped
    source, target = tmp_path / "问题.csv", tmp_path / "答案.csv"
    with source.open("w", encoding="utf-8-sig", newline="") as stream:
        csv.writer(stream, lineterminator="\r\n").writerows([["text"], *([text] for text in texts)])
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("sys.argv", ["compress", "predict", str(run.bundle), str(source), str(target)])
        with pytest.raises(SystemExit) as ended:
            main()
    assert ended.value.code == 0
    with target.open(encoding="utf-8-sig", newline="") as stream:
        rows = list(csv.DictReader(stream))
    assert [(row["text"], row["predicted_label"]) for row in rows] == [
        (text, one.label) for text, one in zip(texts, expected, strict=True)
    ]


# Rows as Chinese sets of entities have them: a character for a word, words of other scripts whole.
WORDS = [
    (
        list("张伟在北京大学读书。"),
        ["B-PER", "I-PER", "O", "B-ORG", "I-ORG", "I-ORG", "I-ORG", "O", "O", "O"],
        "张伟在北京大学读书。",
    ),
    (
        ["𠮷", "野", "家", "，", "在", "iPhone", "16", "上", "!"],
        ["B-ORG", "I-ORG", "I-ORG", "O", "O", "B-X", "I-X", "O", "O"],
        "𠮷野家，在 iPhone 16 上 !",
    ),
    (
        ["😀", "去", "（", "東", "京", "）", "タ", "ワ", "ー"],
        ["O", "O", "O", "B-LOC", "I-LOC", "O", "B-LOC", "I-LOC", "I-LOC"],
        "😀 去（東京）タワー",
    ),
]


@pytest.mark.parametrize(("words", "tags", "written"), WORDS)
def test_entities_have_the_offsets_of_the_text(words: list[str], tags: list[str], written: str) -> None:
    """A model that gives each character its own tag: spans are those of the words."""
    text, spans = joined(words)
    assert [text[start:end] for start, end in spans] == words
    assert text == written
    labels = sorted({*tags, "O"})
    tokenizer = character_tokenizer([text])
    asked = read(tokenizer, [text], TokenClassification())
    tag_at = {
        place: tag for (start, end), tag in zip(spans, tags, strict=True) for place in range(start, end)
    }
    (window,) = asked[0].windows
    logits = np.zeros((len(window.ids), len(labels)), dtype=np.float32)
    for row, (start, end) in zip(logits, window.offsets, strict=True):
        if end > start:
            row[labels.index(tag_at[start])] = 9
    (answer,) = TokenClassification().answers(asked, {"logits": [logits]}, labels)
    expected = []
    for (start, end), tag in zip(spans, tags, strict=True):
        if tag.startswith("B-"):
            expected.append([tag[2:], start, end])
        elif tag.startswith("I-"):
            expected[-1][2] = end
    assert [[one["entity_group"], one["start"], one["end"]] for one in answer.told()] == expected


def test_the_recipe_takes_the_rows_that_do_not_stand_in_train() -> None:
    config = read_recipe(
        shipped_recipe("chnsenticorp"), ["data.splits={validation: validation_dedup, test: test_dedup}"]
    )
    assert (config.data.splits.validation, config.data.splits.test) == ("validation_dedup", "test_dedup")
    assert config.data.label_names == ("negative", "positive")


@pytest.mark.skipif(not (SHARED / "chnsenticorp").is_dir(), reason=NO_SHARED)
def test_the_deduplicated_rows_stand_nowhere_in_train() -> None:
    options = {
        "path": str(SHARED / "chnsenticorp"),
        "splits": {"validation": "validation_dedup", "test": "test_dedup"},
    }
    splits = load_splits(DataOptions.model_validate(options), 13)
    assert (len(splits.train), len(splits.validation), len(splits.test)) == (9600, 862, 835)
    assert not any("stand in train too" in note for note in splits.notes)
    published = load_splits(DataOptions.model_validate({"path": str(SHARED / "chnsenticorp")}), 13)
    assert any("stand in train too" in note for note in published.notes)


@pytest.mark.skipif(not (SHARED / "chnsenticorp").is_dir(), reason=NO_SHARED)
def test_a_model_of_training_characters_beats_the_majority_on_real_reviews(tmp_path: Path) -> None:
    data = load_dataset("parquet", data_files=str(SHARED / "chnsenticorp/train.parquet"), split="train")
    encoder = save_character_encoder(tmp_path / "encoder", data["text"][:4000], layers=1, most=64)
    recipe = tiny_recipe(SHARED / "chnsenticorp", encoder)
    recipe["data"] |= {
        "splits": {"validation": "validation_dedup", "test": "test_dedup"},
        "labels": ["negative", "positive"],
        "max_train_rows": 4000,
    }
    recipe["teacher"]["train"] = {"epochs": 3, "learning_rate": 2e-3, "batch_size": 32}
    del recipe["student"], recipe["distill"]
    recipe["gates"] = {"min_agreement": 0.9}
    report = compress.run(recipe, out=tmp_path / "run")
    test = load_dataset("parquet", data_files=str(SHARED / "chnsenticorp/test_dedup.parquet"), split="train")
    positive = float(np.mean(test["label"]))
    assert report.fidelity.rows == 835
    assert report.models[-1].score_ci[0] > max(positive, 1 - positive) + 0.05
