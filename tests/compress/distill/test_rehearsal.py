"""What a method refuses is found on models without weights, as it would be found on real ones."""

from collections.abc import Callable
from typing import Any

import pytest
import torch
from lessons import SHAPES
from transformers import AutoConfig, PreTrainedConfig

from compress.distill import METHODS, Distill, MiniLM
from compress.distill.rehearsal import rehearse
from compress.errors import ModelError
from compress.models.word_models import BiLstmConfig

OF_LABELS = [name for name in METHODS if name != "embedding"]  # whose answers are vectors
EXTRA: dict[str, dict[str, Any]] = {"match": {"matches": [{"feature": "logits", "loss": "mse"}]}}


def config(architecture: str = "bert", layers: int = 4, **changes: Any) -> PreTrainedConfig:
    return AutoConfig.for_model(
        architecture, **(SHAPES[architecture] | {"num_hidden_layers": layers} | changes)
    )


def method(name: str, **options: Any) -> Distill:
    return METHODS[name].model_validate({"method": name, **EXTRA.get(name, {}), **options})


def refusals(
    asked: Distill, student: PreTrainedConfig, *teachers: PreTrainedConfig, same_tokens: bool = True
) -> list[str]:
    found = rehearse({"distill.1": asked}, student, teachers, same_tokens=same_tokens)
    assert all(isinstance(fault, ModelError) for fault in found)
    return [str(fault) for fault in found]


@pytest.mark.parametrize("name", OF_LABELS)
def test_what_goes_together_is_not_refused(name: str) -> None:
    assert refusals(method(name), config(layers=2), config()) == []


@pytest.mark.parametrize("name", OF_LABELS)
def test_several_teachers_are_for_methods_that_need_logits_alone(name: str) -> None:
    found = refusals(method(name), config(layers=2), config(), config())
    if not METHODS[name].looks_inside:
        assert found == []
        return
    (message,) = found
    assert f"distill.1: the method {name} looks into its teacher, and the recipe has 2 teachers" in message
    assert "keep one teacher, or change the method" in message


@pytest.mark.parametrize("name", OF_LABELS)
def test_other_tokens_are_for_methods_that_need_logits_alone(name: str) -> None:
    found = refusals(method(name), config(layers=2), config(), same_tokens=False)
    assert bool(found) == METHODS[name].looks_inside
    assert all("cut the same text into different tokens" in message for message in found)


BAD: dict[str, tuple[Callable[[], Distill], PreTrainedConfig, str]] = {
    "layers that do not divide": (lambda: method("theseus"), config(layers=3), "3 layers and its teacher 4"),
    "another width": (
        lambda: method("distilbert"),
        config(layers=2, hidden_size=16),
        "16 wide and its teacher 32",
    ),
    "heads": (
        lambda: method("tinybert"),
        config(layers=2, num_attention_heads=2),
        "2 attention heads and its teacher 4",
    ),
    "relation heads": (
        lambda: method("minilm", relation_heads=5),
        config(layers=2),
        "5 relation heads do not divide",
    ),
    "a layer that is not there": (
        lambda: method("minilm", teacher_layer=9),
        config(layers=2),
        "layer 9 is not possible: the model has 4 layers",
    ),
    "no transformer": (
        lambda: method("tinybert"),
        BiLstmConfig(num_labels=3),
        "not possible with a compress-bilstm model",
    ),
}


@pytest.mark.parametrize("case", BAD)
def test_what_does_not_go_together_is_told_with_its_place(case: str) -> None:
    make, student, reason = BAD[case]
    (message,) = refusals(make(), student, config())
    assert message.startswith("distill.1: ")
    assert reason in message
    assert "expected:" in message
    assert "to do:" in message


def test_every_method_is_heard() -> None:
    asked = {"distill.0": method("theseus"), "distill.1": method("minilm", relation_heads=5)}
    found = rehearse(asked, config(layers=3), [config()], same_tokens=True)
    assert [str(fault).partition(":")[0] for fault in found] == ["distill.0", "distill.1"]


def test_the_assistant_is_heard_as_student_and_as_teacher() -> None:
    def minilm(**options: Any) -> Distill:
        return MiniLM.model_validate({"method": "minilm", **options})

    chain = {"layers": 3}
    assert refusals(minilm(assistant=chain), config(layers=2), config()) == []
    (outside,) = refusals(minilm(assistant={"layers": 5}), config(layers=2), config())
    assert "the assistant has 5 layers" in outside
    # The teacher has a fourth layer, and the assistant, which teaches afterwards, does not.
    (message,) = refusals(minilm(assistant=chain, teacher_layer=4), config(layers=2), config())
    assert "layer 4 is not possible: the model has 3 layers" in message


def test_it_takes_no_memory_and_draws_nothing_that_a_training_would_miss() -> None:
    large = config(layers=24, hidden_size=4096, num_attention_heads=64, intermediate_size=16_384)
    before = torch.get_rng_state()
    assert (
        refusals(method("theseus"), config(layers=12, hidden_size=4096, num_attention_heads=64), large) == []
    )
    assert torch.equal(torch.get_rng_state(), before)
