"""Encoders in folders: with the head that fills in masks where they have it, and what else stages need."""

import shutil
from pathlib import Path

import torch
from transformers import (
    AutoConfig,
    AutoModelForMaskedLM,
    AutoModelForSequenceClassification,
    PreTrainedConfig,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from compress.models.tokenizer import load_tokenizer, save_tokenizer
from compress.models.trained import Trained

Kind = type[AutoModelForMaskedLM] | type[AutoModelForSequenceClassification]


def fills_masks(config: PreTrainedConfig) -> bool:
    """The model was saved with a head that gives logits over the vocabulary for each token."""
    names = config.architectures or []
    return any(name.endswith("ForMaskedLM") or name == "BertForPreTraining" for name in names)


def kind_of(config: PreTrainedConfig) -> Kind:
    """How to load it: every lesson asks for logits, so an encoder alone gets a head that nothing looks at."""
    return AutoModelForMaskedLM if fills_masks(config) else AutoModelForSequenceClassification


def save_encoder(
    model: PreTrainedModel, tokenizer: PreTrainedTokenizerFast, max_length: int, folder: Path
) -> None:
    """Write the model in float32 and its tokenizer, as a transformers model folder."""
    model.float().cpu().save_pretrained(str(folder))
    save_tokenizer(tokenizer, folder, max_length)


def load_encoder(folder: Path) -> Trained:
    """What `save_encoder` wrote, in evaluation mode on the CPU; it has no labels."""
    tokenizer = load_tokenizer(str(folder))
    kind = kind_of(AutoConfig.from_pretrained(str(folder)))
    model = kind.from_pretrained(str(folder), dtype=torch.float32).eval()
    return Trained(model, tokenizer, (), int(tokenizer.model_max_length), folder)


def publish(trained: Trained, folder: Path) -> None:
    """Write the model as other recipes take it, in one step; a head that fills no masks stays out of it."""
    temporary = folder.with_name(folder.name + ".part")
    shutil.rmtree(temporary, ignore_errors=True)
    model = trained.model if fills_masks(trained.model.config) else trained.model.base_model
    assert isinstance(model, PreTrainedModel)
    save_encoder(model, trained.tokenizer, trained.max_length, temporary)
    shutil.rmtree(folder, ignore_errors=True)
    temporary.rename(folder)


def encoder_parameters(model: PreTrainedModel) -> int:
    """How many numbers the encoder holds, without a head."""
    return sum(parameter.numel() for parameter in model.base_model.parameters())
