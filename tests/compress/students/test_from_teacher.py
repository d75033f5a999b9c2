"""A student that is cut out of its teacher: what it keeps is the teacher's, and what cannot be made is said."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pydantic import ValidationError
from small_models import small_model
from tiny import tiny_rows
from transformers import AutoModelForSequenceClassification, PreTrainedModel

from compress.data.rows import NO_LABEL, Rows
from compress.errors import ModelError
from compress.models.positions import first_position
from compress.models.tokenizer import load_tokenizer, save_tokenizer
from compress.models.trained import Trained
from compress.students import FromTeacher

TEXTS = [text for text, _ in tiny_rows(80, seed=4)]
LABELLED = Rows(TEXTS, np.array([NO_LABEL, 0, 1, 2] * 20))
IDS = torch.randint(5, 60, (5, 9), generator=torch.Generator().manual_seed(2))


@pytest.fixture
def folder(tiny_encoder: Path, tmp_path: Path) -> Path:
    save_tokenizer(load_tokenizer(str(tiny_encoder)), tmp_path / "tokenizer", 64)
    return tmp_path / "tokenizer"


def teacher_of(architecture: str, folder: Path) -> Trained:
    model = small_model(architecture)
    return Trained(model, load_tokenizer(str(folder)), ("food", "sport", "travel"), 64, folder)


def logits_of(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
    return answer


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "distilbert"])
@pytest.mark.parametrize(
    "options", [{}, {"layers": 2, "intermediate_size": 64, "hidden_size": 32}], ids=["nothing", "same sizes"]
)
def test_a_student_of_the_teachers_sizes_is_its_teacher(
    architecture: str, options: dict[str, int], folder: Path
) -> None:
    teacher = teacher_of(architecture, folder)
    model, tokenizer = FromTeacher(**options).build(teacher, LABELLED, "cpu")  # type: ignore[arg-type]  # sizes
    before = logits_of(teacher.model)
    assert torch.equal(logits_of(model), before)
    assert tokenizer.get_vocab() == teacher.tokenizer.get_vocab()
    assert not model.training
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.zero_()
    assert torch.equal(logits_of(teacher.model), before)  # the weights are copies


def test_an_architecture_whose_layers_differ_can_be_its_own_student(folder: Path) -> None:
    teacher = teacher_of("modernbert", folder)
    model, _ = FromTeacher().build(teacher, LABELLED, "cpu")
    assert torch.equal(logits_of(model), logits_of(teacher.model))


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "distilbert"])
def test_all_cuts_together_give_the_config_that_was_promised(
    architecture: str, folder: Path, tmp_path: Path
) -> None:
    teacher = teacher_of(architecture, folder)
    student = FromTeacher(layers=1, intermediate_size=24, hidden_size=16, vocabulary="trim")
    promised = student.config(teacher.model.config)
    model, tokenizer = student.build(teacher, Rows(TEXTS[:3], None), "cpu")
    for name in ("num_hidden_layers", "hidden_size", "num_attention_heads", "num_labels"):
        assert getattr(model.config, name) == getattr(promised, name)
    assert sum(p.numel() for p in model.parameters()) < 0.5 * sum(
        p.numel() for p in teacher.model.parameters()
    )
    assert len(tokenizer) <= model.config.vocab_size < 300
    assert model.config.max_position_embeddings == first_position(promised) + teacher.max_length
    assert model.config.max_position_embeddings < promised.max_position_embeddings
    assert all(parameter.dtype == torch.float32 for parameter in model.parameters())
    model.save_pretrained(str(tmp_path / "student"))
    loaded = AutoModelForSequenceClassification.from_pretrained(str(tmp_path / "student")).eval()
    ids = torch.arange(4, 10).unsqueeze(0)
    with torch.inference_mode():
        torch.testing.assert_close(loaded(input_ids=ids).logits, model(input_ids=ids).logits)


def test_importance_is_that_of_the_layers_which_stay(folder: Path) -> None:
    """Each layer has other dead neurons; the student has the second layer, so it must look at that one's."""
    teacher = teacher_of("bert", folder)
    alive = np.arange(1, 64, 2)
    first, second = teacher.model.bert.encoder.layer
    with torch.no_grad():
        first.output.dense.weight[:, alive] = 0
        second.output.dense.weight[:, np.arange(0, 64, 2)] = 0
    student, _ = FromTeacher(layers=1, intermediate_size=32).build(teacher, LABELLED, "cpu")
    assert torch.equal(
        student.bert.encoder.layer[0].intermediate.dense.weight, second.intermediate.dense.weight[alive]
    )
    whole, _ = FromTeacher(layers=[2]).build(teacher, LABELLED, "cpu")
    torch.testing.assert_close(logits_of(student), logits_of(whole))


def test_labels_where_there_are_any_decide_what_is_important(folder: Path) -> None:
    """No labels and NO_LABEL everywhere are the same; labels are not."""
    teacher = teacher_of("bert", folder)

    def kept(labels: np.ndarray | None) -> torch.Tensor:  # type: ignore[type-arg]  # of integers
        student, _ = FromTeacher(intermediate_size=20).build(teacher, Rows(TEXTS, labels), "cpu")
        weight: torch.Tensor = student.bert.encoder.layer[0].intermediate.dense.weight
        return weight

    assert torch.equal(kept(None), kept(np.full(len(TEXTS), NO_LABEL)))
    assert not torch.equal(kept(None), kept(np.zeros(len(TEXTS), dtype=np.int64)))


def test_the_same_recipe_gives_the_same_student(folder: Path) -> None:
    teacher, student = teacher_of("bert", folder), FromTeacher(intermediate_size=20, hidden_size=16)
    one, other = (student.build(teacher, LABELLED, "cpu")[0] for _ in range(2))
    assert torch.equal(logits_of(one), logits_of(other))


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": [2, 1]}, "ascending order"),
        ({"layers": []}, "ascending order"),
        ({"layers": [1, 2], "start": "first"}, "start: first says which layers a number takes"),
        ({"start": "last"}, "start: last says which layers a number takes"),
        ({"layer": 2}, "Extra inputs"),
        ({"hidden_size": 0}, "greater than 0"),
        ({"vocabulary": "cut"}, "'keep' or 'trim'"),
        ({"from": "nowhere"}, "'teacher'"),
    ],
)
def test_options_that_make_no_sense_are_refused(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        FromTeacher.model_validate(options)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"layers": 3}, "student.layers is 3, and the teacher has 2 layers"),
        ({"layers": [1]}, r"student.layers \[1\] leaves out the teacher's last layer, 2"),
        ({"intermediate_size": 100}, "student.intermediate_size is 100"),
        ({"hidden_size": 20}, "student.hidden_size is 20"),
    ],
)
def test_what_the_teacher_cannot_give_is_refused_before_anything_expensive(
    options: dict[str, object], message: str
) -> None:
    with pytest.raises(ModelError, match=message):
        FromTeacher.model_validate(options).config(small_model("bert").config)


def test_the_first_layers_leave_the_last_one_out() -> None:
    student = FromTeacher(layers=1, start="first")
    assert student.inherited(small_model("bert").config) == (1,)
    assert student.config(small_model("bert").config).num_hidden_layers == 1


@pytest.mark.parametrize(("start", "taken"), [("first", 1), ("last", 2), ("uniform", 2)])
def test_a_count_takes_the_layers_that_start_says(start: str, taken: int, folder: Path) -> None:
    teacher = teacher_of("bert", folder)
    options = FromTeacher.model_validate({"layers": 1, "start": start})
    student, _ = options.build(teacher, LABELLED, "cpu")
    weights, theirs = student.state_dict(), teacher.model.state_dict()
    name = "bert.encoder.layer.{}.output.dense.weight"
    assert torch.equal(weights[name.format(0)], theirs[name.format(taken - 1)])
