"""Where an encoder's positions begin, and fewer of them: those beyond `max_length` are never read."""

import copy

import torch
from torch import nn
from transformers import PreTrainedConfig, PreTrainedModel

# Their positions begin after the padding id, 1.
_AFTER_THE_PADDING_ID = {"roberta", "xlm-roberta", "camembert", "mpnet"}
# Each position has a row in one table, and nothing else in the model depends on how many there are.
_WITH_A_TABLE = {"bert", "distilbert", "electra", *_AFTER_THE_PADDING_ID}
_TABLE = "embeddings.position_embeddings.weight"


def first_position(config: object) -> int:
    """The position of a text's first token."""
    return 2 if getattr(config, "model_type", "") in _AFTER_THE_PADDING_ID else 0


def trimmed_config(config: PreTrainedConfig, max_length: int) -> PreTrainedConfig:
    """A copy of the config for texts of at most so many tokens; the same where positions are of another kind."""
    trimmed = copy.deepcopy(config)
    if config.model_type in _WITH_A_TABLE:
        trimmed.max_position_embeddings = min(
            config.max_position_embeddings, first_position(config) + max_length
        )
    return trimmed


def trim_positions(model: PreTrainedModel, max_length: int) -> PreTrainedModel:
    """A new model of the same weights without the positions beyond `max_length` tokens, special ones included.

    Its answers to texts of that length and less are the same. The model itself where there are none to leave out,
    or where positions are of another kind (DeBERTa's are relative).
    """
    config = trimmed_config(model.config, max_length)
    if config.max_position_embeddings == model.config.max_position_embeddings:
        return model
    trimmed = type(model)(config)
    nn.Module.to(trimmed, model.dtype)
    weights: dict[str, torch.Tensor] = model.state_dict()
    for name, weight in trimmed.state_dict().items():
        if name.endswith(_TABLE):
            weights[name] = weights[name][: len(weight)]
    trimmed.load_state_dict(weights, strict=True)
    trimmed.tie_weights()
    trimmed.train(model.training)
    return trimmed
