"""Chains that a recipe can ask for: an assistant between teacher and student, and layers that are dropped."""

from pathlib import Path
from typing import Any

import pytest
from mistakes import require, run_refused
from tiny import TinyRun, save_tiny_encoder, tiny_recipe

import compress
from compress.models import teacher as teaching
from compress.models.layer_drop import dropped_layers
from compress.models.trained import load_trained

QUICK = {"seconds": 1, "texts": 10, "threads": 1}


@pytest.fixture
def teacher(tiny_run: TinyRun) -> Path:
    return tiny_run.teacher


def test_an_assistant_learns_first_and_then_teaches(tiny_run: TinyRun, teacher: Path, tmp_path: Path) -> None:
    fast: dict[str, Any] = {"learning_rate": 2e-3, "batch_size": 32}
    minilm = {"method": "minilm", "epochs": 1, "assistant": {"layers": 3, "epochs": 0.5}, **fast}
    recipe = {
        **tiny_run.recipe,
        "teacher": {"model": str(teacher)},
        "distill": [minilm, {"method": "logits", "epochs": 1, **fast}],
        "quantize": {"method": "none"},
        "benchmark": QUICK,
    }
    compress.run(recipe, out=tmp_path)
    layers = {
        name: load_trained(folder).model.config.num_hidden_layers
        for name in ("student-1-minilm-assistant-1-minilm", "student-1-minilm", "student-2-logits")
        for folder in tmp_path.glob(f"stages/{name}-??????????")
    }
    assert layers == {
        "student-1-minilm-assistant-1-minilm": 3,
        "student-1-minilm": 2,
        "student-2-logits": 2,
    }


def test_layer_drop_of_a_recipe_reaches_the_training(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    rates: list[float] = []

    class EnoughError(Exception):
        pass

    def listening(model: Any, rate: float) -> Any:
        rates.append(rate)
        if len(rates) == 3:
            raise EnoughError
        return dropped_layers(model, rate)

    monkeypatch.setattr(teaching, "dropped_layers", listening)
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["teacher"]["train"]["layer_drop"] = 0.25
    with pytest.raises(EnoughError):
        compress.run(recipe, out=tmp_path)
    assert rates == [0.25] * 3


def test_layer_drop_of_a_model_without_a_list_of_layers_is_refused_at_once(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    from small_models import small_model
    from transformers import AutoTokenizer

    small_model("albert").save_pretrained(tmp_path / "albert")
    AutoTokenizer.from_pretrained(tiny_encoder).save_pretrained(tmp_path / "albert")
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    other = {"model": str(tmp_path / "albert"), "train": {**recipe["teacher"]["train"], "layer_drop": 0.2}}
    recipe["teacher"] = [recipe["teacher"], other]
    require(run_refused(recipe, tmp_path), "teacher.train.layer_drop", "albert", "take layer_drop out")
    assert not (tmp_path / "run").exists()


def test_a_student_that_reads_other_tokens_cannot_match_layers(
    tiny_data: Path, tiny_encoder: Path, tmp_path: Path
) -> None:
    """It is refused before the teacher is taught."""
    from tokenizers import Tokenizer, models, pre_tokenizers, processors
    from transformers import PreTrainedTokenizerFast

    student = save_tiny_encoder(tmp_path / "student", layers=2)
    letters = {
        letter: number
        for number, letter in enumerate(["[PAD]", "[UNK]", "[CLS]", "[SEP]", *"abcdefghijklmnopqrstuvwxyz"])
    }
    tokenizer = Tokenizer(models.WordLevel(letters, unk_token="[UNK]"))
    tokenizer.pre_tokenizer = pre_tokenizers.Split("", "isolated")
    tokenizer.post_processor = processors.BertProcessing(("[SEP]", 3), ("[CLS]", 2))
    PreTrainedTokenizerFast(
        tokenizer_object=tokenizer, pad_token="[PAD]", unk_token="[UNK]", model_max_length=128
    ).save_pretrained(student)
    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe["student"] = {"model": str(student)}
    recipe["distill"].insert(0, {"method": "minilm"})
    said = " ".join(run_refused(recipe, tmp_path).split())
    require(said, "distill.0: the method minilm cannot be used here", "into different tokens")
    assert not (tmp_path / "run").exists()
    recipe["student"] = {"model": str(save_tiny_encoder(tmp_path / "same", layers=2))}
    from compress.prepare import prepare
    from compress.recipe_file import check_recipe

    prepare(check_recipe(recipe))  # type: ignore[arg-type]  # no general recipe
