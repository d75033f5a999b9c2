"""A pretrained student: its encoder and tokenizer are its own, its labels are the teacher's."""

import json
from pathlib import Path

import pytest
import torch
from small_models import small_model
from tiny import save_tiny_encoder, tiny_rows
from transformers import BertConfig, BertForSequenceClassification, CLIPTextConfig, PreTrainedModel

from compress.data.rows import Rows
from compress.errors import ModelError
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained
from compress.students import Pretrained

LABELS = ("food", "sport", "travel")
ROWS = Rows([text for text, _ in tiny_rows(40, seed=4)], None)
IDS = torch.randint(5, 60, (5, 9), generator=torch.Generator().manual_seed(2))


@pytest.fixture(scope="module")
def small(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return save_tiny_encoder(tmp_path_factory.mktemp("small"), layers=1)


@pytest.fixture
def teacher(small: Path, tmp_path: Path) -> Trained:
    save_trained(small_model("roberta"), load_tokenizer(str(small)), LABELS, 64, tmp_path / "teacher")
    return load_trained(tmp_path / "teacher")


def classifier(labels: tuple[str, ...], small: Path, folder: Path) -> PreTrainedModel:
    """A trained classifier on the small encoder with these labels, saved."""
    torch.manual_seed(9)
    model: PreTrainedModel = BertForSequenceClassification.from_pretrained(str(small), num_labels=len(labels))
    model.config.problem_type = "regression"  # a leftover, as sentence encoders have them
    save_trained(model, load_tokenizer(str(small)), labels, 64, folder)
    return model.eval()


def logits_of(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
    return answer


def test_an_encoder_gets_a_new_head_for_the_teachers_labels(small: Path, teacher: Trained) -> None:
    student = Pretrained(model=str(small))
    torch.manual_seed(1)
    model, tokenizer = student.build(teacher, ROWS, "cpu")
    torch.manual_seed(1)
    again, _ = student.build(teacher, ROWS, "cpu")
    assert torch.equal(logits_of(model), logits_of(again))  # the head is seeded
    assert not model.training
    assert model.config.id2label == {0: "food", 1: "sport", 2: "travel"}
    config = student.config(teacher.model.config)
    assert config.id2label == model.config.id2label
    assert config.num_hidden_layers == model.config.num_hidden_layers == 1
    assert tokenizer.get_vocab() == load_tokenizer(str(small)).get_vocab()


def test_a_classifier_of_the_same_labels_keeps_its_head(
    small: Path, teacher: Trained, tmp_path: Path
) -> None:
    own = classifier(LABELS, small, tmp_path / "own")
    model, _ = Pretrained(model=str(tmp_path / "own")).build(teacher, ROWS, "cpu")
    assert torch.equal(logits_of(model), logits_of(own))
    assert model.config.problem_type == teacher.model.config.problem_type


@pytest.mark.parametrize(
    "labels", [("sport", "food", "travel"), ("red", "green", "blue"), ("red", "green", "blue", "grey")]
)
def test_a_head_for_other_labels_does_not_stay(
    labels: tuple[str, ...], small: Path, teacher: Trained, tmp_path: Path
) -> None:
    """`from_pretrained` would keep a head of the right shape, whatever its outputs mean."""
    own = classifier(labels, small, tmp_path / "other")
    model, _ = Pretrained(model=str(tmp_path / "other")).build(teacher, ROWS, "cpu")
    assert model.config.id2label == {0: "food", 1: "sport", 2: "travel"}
    assert model.classifier.weight.shape == (3, 32)
    for row in own.classifier.weight:
        assert not any(torch.equal(row, kept) for kept in model.classifier.weight)
    for name, tensor in own.base_model.state_dict().items():
        assert torch.equal(tensor, model.base_model.state_dict()[name]), name


def test_ten_labels_and_more_keep_their_order(small: Path, tmp_path: Path) -> None:
    """Whatever order a config.json has them in: 1, 10, 11, 2 where another tool sorted texts."""
    labels = tuple(f"intent {number}" for number in range(12))
    save_trained(
        BertForSequenceClassification(BertConfig.from_pretrained(str(small), num_labels=12)),
        load_tokenizer(str(small)),
        labels,
        64,
        tmp_path / "many",
    )
    file = tmp_path / "many" / "config.json"
    config = json.loads(file.read_text())
    config["id2label"] = dict(sorted(config["id2label"].items()))
    file.write_text(json.dumps(config))
    teacher = load_trained(tmp_path / "many")
    assert teacher.labels == labels
    assert Pretrained(model=str(small)).config(teacher.model.config).id2label == dict(enumerate(labels))
    model, _ = Pretrained(model=str(small)).build(teacher, ROWS, "cpu")
    assert model.config.id2label == dict(enumerate(labels))


def test_a_trimmed_vocabulary_fits_the_students_own_tokenizer(small: Path, teacher: Trained) -> None:
    rows = Rows(["a goal"], None)
    model, tokenizer = Pretrained(model=str(small), vocabulary="trim").build(teacher, rows, "cpu")
    assert model.config.vocab_size < len(load_tokenizer(str(small)))
    assert max(tokenizer("a goal")["input_ids"]) < model.config.vocab_size
    assert model.config.max_position_embeddings == teacher.max_length


def test_a_folder_that_is_not_there_points_to_the_student(small: Path, teacher: Trained) -> None:
    with pytest.raises(ModelError, match="no model folder at") as refused:
        Pretrained(model=f"{small.parent}/nowhere-at-all").config(teacher.model.config)
    assert refused.value.remedy == "check student.model; it is read from the current folder"


def test_a_model_that_cannot_classify_is_refused(small: Path, teacher: Trained, tmp_path: Path) -> None:
    CLIPTextConfig().save_pretrained(str(tmp_path))
    for file in small.iterdir():
        if file.name != "config.json":
            (tmp_path / file.name).write_bytes(file.read_bytes())
    with pytest.raises(
        ModelError, match="is a clip_text_model model, which transformers has no text classifier for"
    ):
        Pretrained(model=str(tmp_path)).config(teacher.model.config)
