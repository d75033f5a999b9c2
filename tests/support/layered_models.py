"""Small models whose layers differ, and one padded batch, for the tests of methods that match layers."""

from pathlib import Path
from typing import cast

import numpy as np
import torch
from numpy.typing import NDArray
from small_models import ARCHITECTURES
from torch.nn import functional
from transformers import (
    AutoConfig,
    AutoModelForSequenceClassification,
    PreTrainedModel,
    PreTrainedTokenizerFast,
)

from compress.models.trained import Trained
from compress.training.lesson import Batch, Lesson

Array = NDArray[np.float64]
ENCODERS = ["bert", "roberta", "distilbert", "electra"]
LENGTHS = (6, 11, 3, 9)


def trained(model: PreTrainedModel) -> Trained:
    """A method looks at the model alone."""
    return Trained(model, cast(PreTrainedTokenizerFast, None), ("a", "b", "c"), 128, Path())


def model_of(
    architecture: str, *, layers: int = 2, heads: int = 4, width: int = 32, seed: int = 5
) -> PreTrainedModel:
    """A random classifier whose layers differ enough to be told apart."""
    sizes: dict[str, object] = {
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "hidden_size": width,
    }
    if architecture == "distilbert":
        sizes = {"n_layers": layers, "n_heads": heads, "dim": width}
    if architecture == "electra":
        sizes["embedding_size"] = width
    torch.manual_seed(seed)
    config = AutoConfig.for_model(architecture, **ARCHITECTURES[architecture] | sizes, initializer_range=0.15)
    return AutoModelForSequenceClassification.from_config(config).eval()


def batch_of(model: PreTrainedModel, padding: int = 0, seed: int = 0) -> Batch:
    """Random texts of several lengths, padded to the longest and by `padding` more."""
    ids = torch.randint(5, 300, (len(LENGTHS), max(LENGTHS)), generator=torch.Generator().manual_seed(seed))
    mask = (torch.arange(max(LENGTHS) + padding)[None] < torch.tensor(LENGTHS)[:, None]).long()
    ids = functional.pad(ids, (0, padding))
    return {
        "input_ids": torch.where(mask == 1, ids, int(model.config.pad_token_id or 0)),
        "attention_mask": mask,
    }


def hidden_states(model: PreTrainedModel, batch: Batch) -> list[Array]:
    """The embeddings' output and each layer's, as transformers gives them."""
    with torch.no_grad():
        found = model(**batch, output_hidden_states=True).hidden_states
    return [state.double().numpy() for state in found]


def value(lesson: Lesson, batch: Batch) -> float:
    """The lesson's loss."""
    return float(lesson.loss(batch).detach())
