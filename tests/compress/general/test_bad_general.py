"""Recipes of general distillation that ask for what cannot be: one message each, and nothing trained."""

import json
from pathlib import Path

import pytest
from general import RecipeOf
from mistakes import Case, Spoil, check, complaint, setting
from tokenizers import Tokenizer, models
from transformers import BertConfig, BertForMaskedLM, PreTrainedTokenizerFast


def text_of(content: bytes, name: str = "bad.txt") -> Spoil:
    def spoil(recipe: dict[str, object], folder: Path) -> None:
        (folder / name).write_bytes(content)
        recipe["data"] = {"path": str(folder / name)}

    return spoil


def both(*spoils: Spoil) -> Spoil:
    def spoil(recipe: dict[str, object], folder: Path) -> None:
        for one in spoils:
            one(recipe, folder)

    return spoil


def teacher_with(*, mask: bool = True, extra: int = 0, head: bool = True) -> Spoil:
    """A masked language model of which something is missing."""

    def spoil(recipe: dict[str, object], folder: Path) -> None:
        words = {word: number for number, word in enumerate(["[PAD]", "[UNK]", "[MASK]", "goal", "team"])}
        words |= {f"extra{number}": len(words) + number for number in range(extra)}
        special = {"pad_token": "[PAD]", "unk_token": "[UNK]"} | ({"mask_token": "[MASK]"} if mask else {})
        backend = Tokenizer(models.WordLevel(words, unk_token="[UNK]"))
        PreTrainedTokenizerFast(tokenizer_object=backend, **special).save_pretrained(folder / "teacher")
        config = BertConfig(vocab_size=5, hidden_size=8, num_attention_heads=2, intermediate_size=8)
        config.num_hidden_layers = 4
        model = BertForMaskedLM(config)
        weights = {
            name: value for name, value in model.state_dict().items() if head or "transform" not in name
        }
        model.save_pretrained(folder / "teacher", state_dict=weights)
        recipe["teacher"] = {"model": str(folder / "teacher")}

    return spoil


CASES = [
    Case(
        "no such file",
        setting("data.path", "/no/such.txt"),
        ("/no/such.txt", "data.path", "one text per line"),
    ),
    Case("no file matches", setting("data.path", ["*.nothing"]), ("*.nothing", "data.path")),
    Case("no file at all", setting("data.path", []), ("data.path", "at least 1")),
    Case("empty file", text_of(b""), ("bad.txt holds no text",)),
    Case("not UTF-8", text_of(b"fine\ncaf\xe9\n"), ("line 2", "bad.txt", "iconv")),
    Case("a table", text_of(b"text\nhello\n", "bad.csv"), ("bad.csv is a csv file", ".txt")),
    Case("one line", text_of(b"hello\n"), ("1 line of text", "data.path")),
    Case("misspelt key", setting("data.max_line", 5), ("data.max_line", "did you mean max_lines?")),
    Case("key of another task", setting("gates", {}), ("gates", "no such key")),
    Case(
        "option of a fine-tuned teacher",
        setting("teacher.train.layer_drop", 0.1),
        ("teacher.train.layer_drop", "no such key"),
    ),
    Case("misspelt method", setting("distill.0.method", "tinybret"), ("tinybret", "did you mean tinybert?")),
    Case(
        "method of a task",
        setting("distill", [{"method": "logits"}]),
        ("distill", "stage 0", "logits needs a task", "distilbert, tinybert, minilm, match"),
    ),
    Case(
        "logits matched",
        setting("distill", [{"method": "match", "matches": [{"feature": "logits", "loss": "mse"}]}]),
        ("distill", "stage 0", "needs a task", "distilbert"),
    ),
    Case(
        "assistant",
        setting("distill", [{"method": "minilm", "assistant": {"layers": 3}}]),
        ("distill", "assistant", "recipe of its own"),
    ),
    Case("words cut", setting("student.vocabulary", "trim"), ("student", "trim", "later task")),
    Case("too many layers", setting("student.layers", 9), ("student.layers is 9", "4 layers")),
    Case(
        "no head to learn from",
        setting("distill", [{"method": "distilbert"}]),
        ("no head that fills in masks", "distilbert", "teacher.train: {epochs: 1}"),
    ),
    Case(
        "no head to weigh neurons by",
        setting("student.intermediate_size", 16),
        ("no head that fills in masks", "student.intermediate_size", "teacher.train: {epochs: 1}"),
    ),
    Case("a layer that is not there", setting("distill.0.layer_map", [[1, 7]]), ("distill.0",)),
    Case("no mask token", teacher_with(mask=False), ("no mask token",)),
    Case("more tokens than embeddings", teacher_with(extra=3), ("8 tokens", "knows 5")),
    Case(
        "half a head", teacher_with(head=False), ("no weights for cls.predictions.transform", "teacher.train")
    ),
    Case(
        "everything at once",
        both(setting("student.layers", 9), setting("data.path", "/no/such.txt")),
        ("/no/such.txt", "student.layers is 9"),
    ),
]


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name.replace(" ", "-"))
def test_a_mistake_is_told_before_anything_is_trained(
    case: Case, recipe_of: RecipeOf, tmp_path: Path
) -> None:
    check(case, recipe_of("tinybert"), tmp_path)
    assert not (tmp_path / "run" / "encoder").exists()


def test_a_missing_file_has_a_neighbour(recipe_of: RecipeOf, raw_text: Path, tmp_path: Path) -> None:
    recipe = recipe_of("tinybert")
    recipe["data"]["path"] = str(raw_text.with_name("txet.txt"))
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe))
    assert f"did you mean {raw_text}?" in complaint("run", str(file))


def test_the_dry_run_refuses_what_the_run_refuses(recipe_of: RecipeOf, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe_of("distilbert")))
    assert "no head that fills in masks" in complaint("run", str(file), "--dry-run")


def test_a_comparison_of_methods_needs_a_task(recipe_of: RecipeOf, tmp_path: Path) -> None:
    file = tmp_path / "recipe.yaml"
    file.write_text(json.dumps(recipe_of("tinybert")))
    assert "a comparison needs a task" in complaint("compare", str(file))
