"""Twenty and more bad recipes and bad data files: one clear message each, exit code 2, nothing left behind.

Every message must name the offending thing, say what was expected and what to do.
"""

import json
import shutil
import socket
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tiny import tiny_recipe, tiny_rows, write_csv

from compress.cli import main

Change = Callable[[dict[str, Any], Path], None]


@dataclass(frozen=True)
class Case:
    """A recipe spoiled in one way, and what its message must say."""

    name: str
    spoil: Change
    says: tuple[str, ...]


def setting(place: str, value: object) -> Change:
    def change(recipe: dict[str, Any], _: Path) -> None:
        *parents, last = place.split(".")
        target: Any = recipe
        for part in parents:
            target = target[int(part)] if isinstance(target, list) else target.setdefault(part, {})
        target[last] = value

    return change


def data_file(name: str, content: bytes) -> Change:
    def change(recipe: dict[str, Any], folder: Path) -> None:
        (folder / name).write_bytes(content)
        recipe["data"]["path"] = str(folder / name)

    return change


def csv_rows(rows: list[tuple[str, str]], header: tuple[str, str] = ("text", "label")) -> Change:
    def change(recipe: dict[str, Any], folder: Path) -> None:
        recipe["data"]["path"] = str(write_csv(folder / "rows.csv", rows, header))

    return change


def split_files(train: list[tuple[str, str]], test: list[tuple[str, str]]) -> Change:
    def change(recipe: dict[str, Any], folder: Path) -> None:
        write_csv(folder / "data" / "train.csv", train)
        write_csv(folder / "data" / "test.csv", test)
        recipe["data"]["path"] = str(folder / "data")

    return change


def model_without(*files: str) -> Change:
    def change(recipe: dict[str, Any], folder: Path) -> None:
        copy = folder / "model"
        shutil.copytree(recipe["teacher"]["model"], copy)
        for file in files:
            (copy / file).unlink()
        recipe["teacher"]["model"] = str(copy)

    return change


def broken_weights(recipe: dict[str, Any], folder: Path) -> None:
    model_without()(recipe, folder)
    (folder / "model" / "model.safetensors").write_bytes(b"version https://git-lfs.github.com/spec/v1")


def untrained_head(recipe: dict[str, Any], _: Path) -> None:
    del recipe["teacher"]["train"]


def classifier(labels: dict[int, str], *, keep_training: bool = False) -> Change:
    """A teacher that was saved as a classifier with these labels; its head is random, so it answers at chance."""

    def change(recipe: dict[str, Any], folder: Path) -> None:
        from transformers import AutoModelForSequenceClassification

        source = recipe["teacher"]["model"]
        copy = folder / "classifier"
        shutil.copytree(source, copy)
        model = AutoModelForSequenceClassification.from_pretrained(
            source, num_labels=len(labels), id2label=labels, label2id={name: i for i, name in labels.items()}
        )
        model.save_pretrained(str(copy))
        recipe["teacher"]["model"] = str(copy)
        if not keep_training:
            del recipe["teacher"]["train"]

    return change


def headless_classifier(recipe: dict[str, Any], folder: Path) -> None:
    """A config that says classifier beside the weights of an encoder alone."""
    model_without()(recipe, folder)
    config = json.loads((folder / "model" / "config.json").read_text())
    config |= {"architectures": ["BertForSequenceClassification"], "id2label": THREE, "label2id": {}}
    (folder / "model" / "config.json").write_text(json.dumps(config))
    del recipe["teacher"]["train"]


ROWS = tiny_rows(90, seed=3)
THREE = {0: "food", 1: "sport", 2: "travel"}

CASES = [
    Case("misspelt key", setting("data.colums", {}), ("data.colums", "did you mean columns?", "--dry-run")),
    Case(
        "misspelt key deep down",
        setting("distill.0.temprature", 2),
        ("temprature", "did you mean temperature?"),
    ),
    Case(
        "misspelt option of a gate",
        setting("gates.min_retenton", 1),
        ("gates.min_retenton", "min_retention?"),
    ),
    Case(
        "wrong type", setting("teacher.train.epochs", "three"), ("teacher.train.epochs", "number", "'three'")
    ),
    Case(
        "temperature out of range",
        setting("distill.0.temperature", 0),
        ("distill.0.temperature", "greater than 0"),
    ),
    Case(
        "alpha out of range",
        setting("distill.0.alpha", 1.5),
        ("distill.0.alpha", "less than or equal to 1", "1.5"),
    ),
    Case("no such method", setting("quantize.method", "dynamik"), ("dynamik", "did you mean dynamic?")),
    Case(
        "task that is not built yet",
        setting("task", "token-classification"),
        ("token-classification", "not built yet"),
    ),
    Case("no such task", setting("task", "sentiment"), ("sentiment", "text-classification")),
    Case("no such metric", setting("metric", "f1"), ("metric", "'accuracy'", "'f1'")),
    Case("student without distillation", setting("distill", []), ("student:", "distill: [{method: logits}]")),
    Case(
        "more layers than the teacher has",
        setting("student.layers", 9),
        ("student.layers is 9", "4 layers", "layers: 2"),
    ),
    Case("layers without the last", setting("student.layers", [1, 2]), ("[1, 2]", "last layer", "[1, 4]")),
    Case("layers out of order", setting("student.layers", [4, 2]), ("student.layers", "ascending")),
    Case(
        "label ids with a gap",
        setting("data.labels", {0: "a", 2: "b"}),
        ("data.labels", "without gaps", "[0, 2]"),
    ),
    Case("missing data file", setting("data.path", "./tickets.csv"), ("./tickets.csv", "csv", "data.path")),
    Case(
        "missing text column",
        setting("data.columns", {"text": "txt"}),
        ("'txt'", "text, label", "did you mean 'text'?"),
    ),
    Case("missing label column", setting("data.columns", {"label": "intent"}), ("'intent'", "text, label")),
    Case(
        "no such split",
        setting("data.splits", {"test": "tets"}),
        ("'tets'", "splits test, train", "did you mean 'test'?"),
    ),
    Case("empty file", data_file("none.csv", b""), ("none.csv is empty", "header and rows")),
    Case("header alone", data_file("head.csv", b"text,label\n"), ("has no rows", "how the file was written")),
    Case(
        "corrupt parquet",
        data_file("rows.parquet", b"PAR1 this is not parquet PAR1"),
        ("rows.parquet", "as parquet", "again"),
    ),
    Case("broken json lines", data_file("rows.jsonl", b'{"text": "a", \n{{{'), ("rows.jsonl", "as json")),
    Case(
        "wrong encoding",
        data_file("latin.csv", "text,label\ncaf\xe9 soup,food\n".encode("latin1") * 30),
        ("latin.csv", "UTF-8", "iconv"),
    ),
    Case("unknown file type", data_file("rows.xlsx", b"PK"), ("rows.xlsx", ".xlsx", "csv")),
    Case(
        "text that is numbers",
        csv_rows([("12", "a"), ("13", "b")] * 40),
        ("'text'", "int64", "not text", "data.columns.text"),
    ),
    Case(
        "empty texts", csv_rows([*ROWS, ("", "food"), ("  ", "food")]), ("2 of 92 texts", "row 91", "empty")
    ),
    Case("missing labels", csv_rows([*ROWS, ("a goal", "")]), ("1 of 91 labels", "row 91")),
    Case(
        "one class only",
        csv_rows([(text, "food") for text, _ in ROWS]),
        ("same label, food", "at least two labels"),
    ),
    Case("too few rows", csv_rows(ROWS[:15]), ("15 rows", "at least 20")),
    Case(
        "labels that are measurements",
        csv_rows([(text, f"{i}.5") for i, (text, _) in enumerate(ROWS)]),
        ("0.5", "regression is not built yet"),
    ),
    Case(
        "a label that train lacks",
        split_files(ROWS, [*ROWS[:30], ("a song", "music")]),
        ("music", "test", "train"),
    ),
    Case(
        "a label that test lacks",
        split_files(ROWS, [row for row in ROWS if row[1] != "food"]),
        ("test has no row of food", "data.labels"),
    ),
    Case(
        "unknown model folder",
        setting("teacher.model", "./no-such-model"),
        ("./no-such-model", "config.json", "teacher.model"),
    ),
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
        "head never trained", untrained_head, ("no trained classification head", "BertModel", "teacher.train")
    ),
    Case("teacher at chance", classifier(THREE), ("at chance", "commonest label", "teacher.train")),
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
    Case(
        "true where a number belongs",
        setting("teacher.train.epochs", True),
        ("teacher.train: epochs", "true or false"),
    ),
    Case(
        "text where true belongs",
        setting("bundle", {"rows": "no"}),
        ("bundle: rows", "true or false", "'no'"),
    ),
    Case(
        "label ids with a hole",
        csv_rows([(text, str(1 + i % 2 * 4)) for i, (text, _) in enumerate(ROWS)]),
        ("1, 5", "from 0 without gaps", "data.labels"),
    ),
    Case(
        "names in train and ids in test",
        split_files(
            [(t, "0" if i % 2 else "none") for i, (t, _) in enumerate(ROWS)], [(t, "7") for t, _ in ROWS]
        ),
        ("label 7", "0, none"),
    ),
    Case(
        "a text longer than any model takes",
        csv_rows([*ROWS, ("goal " * 30_000, "sport")]),
        ("row 91", "150,000 characters", "100,000"),
    ),
    Case("no name that the Hub can have", setting("teacher.model", "my model"), ("my model", "owner/name")),
    Case(
        "a head whose weights are missing",
        headless_classifier,
        ("no weights for classifier", "teacher.train"),
    ),
    Case("a regression model", classifier({0: "score"}), ("1 outputs", "not built yet")),
    Case("tracker that is not installed", setting("report_to", ["comet_ml"]), ("comet_ml", "report_to")),
]


def complaint(
    arguments: list[str], capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> str:
    """What the command says on stderr, having ended with exit code 2 and printed nothing else."""
    monkeypatch.setattr(sys, "argv", ["compress", *arguments])
    with pytest.raises(SystemExit) as stopped:
        main()
    said = capsys.readouterr()
    assert stopped.value.code == 2, said.err
    assert "Traceback" not in said.err
    return said.err


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_bad_recipe_gets_one_clear_message(
    case: Case,
    tiny_data: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    case.spoil(recipe, tmp_path)
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    out = tmp_path / "run"
    message = complaint(["run", str(file), "--out", str(out)], capsys, monkeypatch)
    flat = " ".join(message.split())
    for expected in (*case.says, "expected:", "to do:"):
        assert expected in flat, message
    assert not (out / "bundle").exists()
    assert not list(out.glob("stages/*/stage.json")) or case.name == "teacher at chance"


def test_there_are_more_than_twenty_of_them() -> None:
    assert len(CASES) > 20
    assert len({case.name for case in CASES}) == len(CASES)


def test_every_fault_is_told_at_once_with_its_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(
        "data:\n  path: x\nteacher:\n  model: y\n  trian: {}\nseed: high\ngates: {max_size_mb: -1}\n"
    )
    message = complaint(["run", str(file)], capsys, monkeypatch)
    assert "3 faults" in message
    for expected in (
        "line 5: teacher.trian",
        "did you mean train?",
        "line 6: seed",
        "line 7: gates.max_size_mb",
    ):
        assert expected in message


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["run", "recipes/quickstat.yaml"], ("recipes/quickstat.yaml", "quickstart.yaml?")),
        (["run", "recipes/quickstart.yaml", "--set", "student"], ("--set student", "KEY=VALUE")),
        (["run", "recipes/quickstart.yaml", "--set", "distill.4.epochs=1"], ("distill.4.epochs", "0 to 0")),
        (["run", "recipes/quickstart.yaml", "--set", "seed.deep=1"], ("seed.deep", "no keys")),
        (["run", "--data", "x.csv"], ("--teacher",)),
        (["predict", "recipes", "in.csv", "out.csv"], ("recipes is not a bundle", "bundle.json")),
        (["serve", "recipes"], ("recipes is not a bundle",)),
        (["demo", "recipes"], ("recipes is not a bundle",)),
    ],
)
def test_bad_arguments(
    arguments: list[str],
    says: tuple[str, ...],
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(Path(__file__).parents[2])
    message = complaint(arguments, capsys, monkeypatch)
    for expected in says:
        assert expected in message


def test_yaml_that_is_none(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("data: {path: x\n")
    assert "not valid YAML" in complaint(["run", str(file)], capsys, monkeypatch)


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "silent"])
@pytest.mark.parametrize("what", ["data", "teacher"])
def test_an_unreachable_hub_is_said_within_ten_seconds(
    answers: bool,
    what: str,
    tiny_data: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not answers:
            listener.close()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        recipe = tiny_recipe(tiny_data, tiny_encoder)
        recipe[what].update({"path": "owner/tickets"} if what == "data" else {"model": "owner/tickets"})
        file = tmp_path / "recipe.yaml"
        file.write_text(json.dumps(recipe))
        start = time.monotonic()
        message = complaint(["run", str(file), "--out", str(tmp_path / "run")], capsys, monkeypatch)
        assert time.monotonic() - start < 10
    for expected in ("owner/tickets", "cannot be reached", "local copy"):
        assert expected in message


def test_faults_of_data_and_model_are_told_together(
    tiny_data: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["data"]["path"], recipe["student"]["layers"], recipe["device"] = "./nowhere", 9, "cuda"
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    message = complaint(["run", str(file), "--out", str(tmp_path / "run")], capsys, monkeypatch)
    for expected in ("./nowhere", "student.layers is 9", "no CUDA device"):
        assert expected in message


def test_a_key_that_is_given_twice_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text("seed: 1\ndata: {path: x}\nteacher: {model: y}\nseed: 2\n")
    assert "'seed' is given twice" in complaint(["run", str(file)], capsys, monkeypatch)


def test_a_bad_recipe_with_fresh_destroys_nothing(
    tiny_encoder: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = tmp_path / "run" / "stages" / "teacher-0123456789" / "stage.json"
    kept.parent.mkdir(parents=True)
    kept.write_text("{}")
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(tiny_recipe(Path("./nowhere"), tiny_encoder)))
    complaint(["run", str(file), "--out", str(tmp_path / "run"), "--fresh"], capsys, monkeypatch)
    assert kept.is_file()
