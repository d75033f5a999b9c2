"""A student is made of its teacher's layers: which ones, and that they are the same ones."""

import pytest
import torch
from small_models import small_model

from compress.errors import ModelError
from compress.models.shrink import LAYER_LISTS, choose_layers, require_layers, shrink


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


@pytest.mark.parametrize("architecture", ["bert", "roberta", "electra", "distilbert", "deberta-v2"])
def test_a_student_of_all_layers_is_its_teacher(architecture: str) -> None:
    teacher = small_model(architecture)
    ids = torch.randint(5, 300, (4, 9))
    same, student = shrink(teacher, 2).eval(), shrink(teacher, 1).eval()
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


def test_skipping_a_layer_is_what_the_student_computes() -> None:
    """The independent way: the teacher itself with its first layer taken out of the list."""
    teacher = small_model("bert")
    student = shrink(teacher, [2]).eval()
    ids = torch.randint(5, 300, (4, 9))
    del teacher.bert.encoder.layer[0]
    with torch.inference_mode():
        assert torch.equal(student(input_ids=ids).logits, teacher(input_ids=ids).logits)


def test_architectures_whose_layers_differ_are_refused() -> None:
    with pytest.raises(ModelError, match="layers cannot be taken out of a modernbert model") as refused:
        require_layers(small_model("modernbert").config)
    assert "leave student: and distill: out" in refused.value.remedy
    assert "modernbert" not in LAYER_LISTS
