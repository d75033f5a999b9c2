"""A student is made of its teacher's layers: which ones, and that they are the same ones."""

import pytest
import torch
from small_models import small_model
from transformers import AutoModelForMaskedLM, BertConfig, PreTrainedModel

from compress.errors import ModelError
from compress.models.anatomy import ANATOMIES
from compress.models.shrink import choose_layers, require_layers, shrink, shrink_config


@pytest.mark.parametrize(
    ("wanted", "available", "chosen"),
    [
        (3, 6, (2, 4, 6)),
        (2, 6, (3, 6)),
        (1, 6, (6,)),
        (6, 6, (1, 2, 3, 4, 5, 6)),
        (4, 12, (3, 6, 9, 12)),
        (5, 12, (2, 5, 7, 10, 12)),
        ([1, 6], 6, (1, 6)),
    ],
)
def test_layers_are_spread_evenly_and_the_last_is_among_them(
    wanted: int | list[int], available: int, chosen: tuple[int, ...]
) -> None:
    assert choose_layers(wanted, available) == chosen


@pytest.mark.parametrize("available", range(1, 25))
def test_any_count_gives_that_many_different_layers(available: int) -> None:
    for count in range(1, available + 1):
        layers = choose_layers(count, available)
        assert len(set(layers)) == count
        assert layers[-1] == available
        assert layers[0] >= 1


def test_a_count_can_take_the_first_or_the_last_layers() -> None:
    assert choose_layers(6, 12, "first") == (1, 2, 3, 4, 5, 6)  # the successor of BERT-of-Theseus
    assert choose_layers(2, 12, "last") == (11, 12)
    assert choose_layers(12, 12, "first") == choose_layers(12, 12, "last") == choose_layers(12, 12)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "distilbert", "deberta-v2"])
def test_a_student_of_all_layers_is_its_teacher(architecture: str) -> None:
    teacher = small_model(architecture)
    ids = torch.randint(5, 300, (4, 9))
    same, student = shrink(teacher, 2), shrink(teacher, 1)
    with torch.inference_mode():
        before = teacher(input_ids=ids).logits
        assert torch.equal(same(input_ids=ids).logits, before)
        assert not torch.allclose(student(input_ids=ids).logits, before, atol=1e-3)
    assert sum(p.numel() for p in student.parameters()) < sum(p.numel() for p in teacher.parameters())
    with torch.no_grad():
        for parameter in student.parameters():
            parameter.zero_()
    with torch.inference_mode():
        assert torch.equal(teacher(input_ids=ids).logits, before)  # the weights are copies


@pytest.mark.parametrize(("layers", "start"), [([2], "uniform"), (1, "uniform"), (1, "last")])
def test_skipping_a_layer_is_what_the_student_computes(layers: int | list[int], start: str) -> None:
    """The independent way: the teacher itself with its first layer taken out of the list."""
    teacher = small_model("bert")
    student = shrink(teacher, layers, start)  # type: ignore[arg-type]  # one of its literals
    ids = torch.randint(5, 300, (4, 9))
    del teacher.bert.encoder.layer[0]
    with torch.inference_mode():
        assert torch.equal(student(input_ids=ids).logits, teacher(input_ids=ids).logits)


def test_a_masked_language_model_stays_one_with_its_head_tied_to_its_words() -> None:
    torch.manual_seed(3)
    config = BertConfig(
        vocab_size=50,
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        intermediate_size=8,
        initializer_range=0.5,
    )
    teacher: PreTrainedModel = AutoModelForMaskedLM.from_config(config).eval()
    student, ids = shrink(teacher, 1), torch.randint(5, 50, (2, 6))
    assert type(student) is type(teacher)
    assert student.get_output_embeddings().weight is student.get_input_embeddings().weight
    del teacher.bert.encoder.layer[0]
    with torch.inference_mode():
        assert torch.equal(student(input_ids=ids).logits, teacher(input_ids=ids).logits)


def test_what_a_config_says_layer_by_layer_follows_the_layers() -> None:
    config = BertConfig(num_hidden_layers=4)
    config.layer_types = ["full_attention", "sliding_attention", "full_attention", "sliding_attention"]
    shrunk = shrink_config(config, (1, 4))
    assert shrunk.layer_types == ["full_attention", "sliding_attention"]
    assert shrunk.num_hidden_layers == 2
    assert config.num_hidden_layers == 4


def test_architectures_whose_layers_differ_are_refused() -> None:
    with pytest.raises(ModelError, match="layers cannot be taken out of a modernbert model") as refused:
        require_layers(small_model("modernbert").config)
    assert "leave student: and distill: out" in refused.value.remedy
    assert "modernbert" not in ANATOMIES
