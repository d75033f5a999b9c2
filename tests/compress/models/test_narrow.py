"""A narrower model: the same dimensions are cut everywhere, and heads whole."""

from pathlib import Path

import numpy as np
import pytest
import torch
from small_models import SMALL, small_model
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedModel,
)

from compress.errors import ModelError
from compress.models.importance import Units, first_order_importance
from compress.models.narrow import Kept, keep_widest, narrow, narrow_config, width_gates

ARCHITECTURES = ["bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert"]
IDS = torch.randint(5, 300, (6, 9), generator=torch.Generator().manual_seed(2))


def logits_of(model: PreTrainedModel) -> torch.Tensor:
    with torch.inference_mode():
        answer: torch.Tensor = model(input_ids=IDS, attention_mask=torch.ones_like(IDS)).logits
    return answer


def masked_lm(architecture: str) -> PreTrainedModel:
    torch.manual_seed(4)
    model: PreTrainedModel = AutoModelForMaskedLM.from_config(small_model(architecture).config).eval()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(torch.randn_like(parameter) * 0.1)
    return model


def projected_electra() -> PreTrainedModel:
    torch.manual_seed(4)
    config = AutoConfig.for_model("electra", **(SMALL | {"embedding_size": 24, "initializer_range": 0.3}))
    model: PreTrainedModel = AutoModelForSequenceClassification.from_config(config).eval()
    return model


def reordered(seed: int = 8) -> Kept:
    rng = np.random.default_rng(seed)
    return Kept(rng.permutation(32), (rng.permutation(4), rng.permutation(4)), rng.permutation(32))


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_reordered_dimensions_and_heads_are_the_same_model(architecture: str) -> None:
    """Nothing is cut, everything moves: an axis that was forgotten would meet the wrong weights."""
    model = small_model(architecture)
    with torch.no_grad():
        for parameter in model.parameters():
            if parameter.dim() == 1:  # as initialised they are all alike
                parameter.add_(torch.randn(parameter.shape) * 0.1)
    moved = narrow(model, reordered())
    torch.testing.assert_close(logits_of(moved), logits_of(model), atol=2e-5, rtol=1e-4)
    assert not torch.equal(moved.get_input_embeddings().weight, model.get_input_embeddings().weight)


@pytest.mark.parametrize("architecture", ["bert", "roberta", "distilbert"])
def test_reordered_masked_language_models_are_the_same_model(architecture: str) -> None:
    model = masked_lm(architecture)
    kept = reordered()
    moved = narrow(model, Kept(kept.dimensions, kept.heads, kept.dimensions))
    torch.testing.assert_close(logits_of(moved), logits_of(model), atol=2e-5, rtol=1e-4)
    assert moved.get_output_embeddings().weight is moved.get_input_embeddings().weight


def test_electra_keeps_the_width_of_its_embeddings() -> None:
    model = projected_electra()
    torch.testing.assert_close(logits_of(narrow(model, reordered())), logits_of(model), atol=2e-5, rtol=1e-4)
    narrower = narrow(model, Kept(np.arange(16), (np.arange(2),) * 2, np.arange(16)))
    assert torch.equal(narrower.get_input_embeddings().weight, model.get_input_embeddings().weight)
    assert narrower.electra.embeddings_project.weight.shape == (16, 24)
    with pytest.raises(ModelError, match="24, which is the width of the teacher's embeddings") as refused:
        narrow_config(model.config, 24)
    assert refused.value.remedy == "set student.hidden_size: 32"


def widened(small: PreTrainedModel) -> PreTrainedModel:
    """A BERT of twice the width that computes the same.

    Every dimension is there twice, which leaves mean and variance as they are, and only the first is read;
    every second head and half of the pooler are noise that nothing reads.
    """
    config = AutoConfig.for_model("bert", **(SMALL | {"hidden_size": 64, "num_attention_heads": 8}))
    wide: PreTrainedModel = AutoModelForSequenceClassification.from_config(config).eval()
    weights = {}
    for name, tensor in small.state_dict().items():
        new = tensor
        if any(part in name for part in (".query.", ".key.", ".value.", "pooler")):
            noise = torch.randn_like(tensor)
            new = torch.cat([new, noise], dim=0)
            if new.dim() == 2:
                new = torch.cat([new, torch.zeros_like(new)], dim=1)
        elif "embeddings" in name or "LayerNorm" in name:
            new = torch.cat([new, new], dim=-1)
        elif "attention.output.dense" in name or name.startswith("classifier") or "intermediate" in name:
            if new.dim() == 2:
                new = torch.cat([new, torch.zeros_like(new)], dim=1)
            if "attention" in name:
                new = torch.cat([new, new], dim=0)
        else:
            assert "output.dense" in name
            new = torch.cat([new, new], dim=0)
        weights[name] = new
    wide.load_state_dict(weights, strict=True)
    return wide


def test_a_model_that_was_widened_can_be_narrowed_exactly() -> None:
    small = small_model("bert")
    wide = widened(small)
    torch.testing.assert_close(logits_of(wide), logits_of(small), atol=1e-5, rtol=1e-4)
    batch = {"input_ids": IDS, "attention_mask": torch.ones_like(IDS)}
    importance = first_order_importance(wide, width_gates(wide), [batch], "cpu")
    kept = keep_widest(importance, narrow_config(wide.config, 32), (1, 2))
    assert [list(heads) for heads in kept.heads] == [[0, 1, 2, 3]] * 2  # nothing reads the others
    assert list(kept.pooled) == list(range(32))
    # Of two equal dimensions the one that is read matters more.
    assert importance[Units("width")][:32].sum() > importance[Units("width")][32:].sum()
    narrower = narrow(wide, Kept(np.arange(32), kept.heads, kept.pooled))
    torch.testing.assert_close(logits_of(narrower), logits_of(small), atol=1e-5, rtol=1e-4)


@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_a_narrower_model_can_be_saved_and_loaded(architecture: str, tmp_path: Path) -> None:
    model = small_model(architecture)
    kept = Kept(np.arange(3, 19), (np.array([0, 2]), np.array([1, 3])), np.arange(16))
    narrower = narrow(model, kept)
    narrower.save_pretrained(str(tmp_path))
    loaded = AutoModelForSequenceClassification.from_pretrained(str(tmp_path)).eval()
    torch.testing.assert_close(logits_of(loaded), logits_of(narrower))
    assert loaded.config.hidden_size == 16
    assert loaded.config.num_attention_heads == 2  # heads stay 8 wide
    assert logits_of(loaded).isfinite().all()


def test_every_weight_is_the_teachers_at_the_kept_places() -> None:
    model = small_model("bert")
    kept = Kept(np.arange(3, 19), (np.array([0, 2]), np.array([1, 3])), np.arange(16, 32))
    weights = narrow(model, kept).state_dict()
    teacher = model.state_dict()
    second = np.r_[8:16, 24:32]
    for name, expected in {
        "bert.embeddings.word_embeddings.weight": teacher["bert.embeddings.word_embeddings.weight"][:, 3:19],
        "bert.encoder.layer.1.attention.self.query.weight": teacher[
            "bert.encoder.layer.1.attention.self.query.weight"
        ][second, 3:19],
        "bert.encoder.layer.1.attention.self.query.bias": teacher[
            "bert.encoder.layer.1.attention.self.query.bias"
        ][second],
        "bert.encoder.layer.1.attention.output.dense.weight": teacher[
            "bert.encoder.layer.1.attention.output.dense.weight"
        ][3:19, second],
        "bert.encoder.layer.0.output.dense.weight": teacher["bert.encoder.layer.0.output.dense.weight"][3:19],
        "bert.pooler.dense.weight": teacher["bert.pooler.dense.weight"][16:, 3:19],
        "classifier.weight": teacher["classifier.weight"][:, 16:],
    }.items():
        assert torch.equal(weights[name], expected), name
    with torch.no_grad():
        weights["classifier.weight"].zero_()
    assert teacher["classifier.weight"].abs().min() > 0


@pytest.mark.parametrize(
    ("hidden_size", "found", "remedy"),
    [
        (33, "is 33, and the teacher is 32 wide", "16"),
        (20, "is 20, and the teacher's attention heads are 8 wide", "16 or 24"),
        (5, "is 5, and the teacher's attention heads are 8 wide", "8"),
    ],
)
def test_widths_that_do_not_fit_are_refused(hidden_size: int, found: str, remedy: str) -> None:
    with pytest.raises(ModelError) as refused:
        narrow_config(small_model("distilbert").config, hidden_size)
    assert refused.value.found == f"student.hidden_size {found}"
    assert "a multiple of 8" in refused.value.expected
    assert refused.value.remedy == f"set student.hidden_size: {remedy}"


@pytest.mark.parametrize(
    ("architecture", "reason"),
    [
        ("deberta-v2", "a second table, of relative positions"),
        ("mpnet", "one table of position biases by head"),
        ("modernbert", "its parts are not known"),
    ],
)
def test_architectures_that_cannot_be_narrowed_are_refused(architecture: str, reason: str) -> None:
    with pytest.raises(
        ModelError, match=f"a {architecture} model cannot be made narrower: .*{reason}"
    ) as refused:
        narrow_config(AutoConfig.for_model(architecture), 64)
    assert refused.value.expected == "one of bert, camembert, distilbert, electra, roberta, xlm-roberta"
    assert refused.value.remedy.startswith("leave student.hidden_size out")


def test_a_part_that_is_not_known_is_refused() -> None:
    model = small_model("bert")
    model.adapter = torch.nn.Linear(32, 32)
    with pytest.raises(ModelError, match="a part that is not known, adapter"):
        narrow(model, reordered())
