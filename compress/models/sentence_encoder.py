"""Sentence encoders: an encoder of transformers with pooling and, where the model has it, normalising behind it.

For each architecture a class of its own (`BertForSentenceEmbedding`) is derived from what transformers has, so that its
weights bear the names of the plain encoder's and everything that reaches into encoders reaches into these. How the
tokens become one vector stands in config.json as `sentence_embedding`.
"""

from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor
from torch.nn import functional
from transformers import MODEL_MAPPING, AutoConfig, PreTrainedConfig, PreTrainedModel
from transformers.utils.generic import ModelOutput

from compress.errors import ModelError
from serve.tasks.embedding import Pooling

HEAD = "SentenceEmbedding"
SETTINGS = "sentence_embedding"  # in config.json
_LOWEST = -1e4  # in the place of padding, where the highest is looked for


@dataclass
class SentenceEmbeddingOutput(ModelOutput):
    """What a sentence encoder gives."""

    embedding: Tensor | None = None  # (batch, width)


def pooled(hidden: Tensor, mask: Tensor, pooling: Pooling) -> Tensor:
    """One vector for each text, (batch, width), of its tokens' states (batch, tokens, width); padding counts nothing.

    `mean` over tokens, `cls` the first one, `max` the highest of each dimension: sentence-transformers' names
    (Reimers and Gurevych 2019, "Sentence-BERT", section 3).
    """
    if pooling == "cls":
        return hidden[:, 0]
    weights = mask.unsqueeze(-1).to(hidden.dtype)
    if pooling == "max":
        return (hidden * weights + (1 - weights) * _LOWEST).amax(dim=1)
    return (hidden * weights).sum(dim=1) / weights.sum(dim=1).clamp(min=1e-9)


class _SentenceEmbedding(PreTrainedModel):
    """The forward pass; a class for an architecture has its base model beneath `base_model_prefix`."""

    def __init__(self, config: PreTrainedConfig) -> None:
        super().__init__(config)
        setattr(self, self.base_model_prefix, _base(config))
        self.post_init()  # type: ignore[no-untyped-call]

    def forward(
        self, input_ids: Tensor, attention_mask: Tensor | None = None, token_type_ids: Tensor | None = None
    ) -> SentenceEmbeddingOutput:
        """The vectors of texts, from arrays (batch, tokens)."""
        mask = torch.ones_like(input_ids) if attention_mask is None else attention_mask
        types = {} if token_type_ids is None else {"token_type_ids": token_type_ids}
        hidden = self.base_model(input_ids=input_ids, attention_mask=mask, **types).last_hidden_state
        settings = settings_of(self.config)
        vectors = pooled(hidden, mask, settings["pooling"])
        if settings["normalize"]:
            vectors = functional.normalize(vectors, dim=-1)
        return SentenceEmbeddingOutput(embedding=vectors)


def settings_of(config: PreTrainedConfig) -> dict[str, Any]:
    """`pooling` and `normalize`; the mean and no normalising where nothing says otherwise."""
    return {"pooling": "mean", "normalize": False, **(getattr(config, SETTINGS, None) or {})}


def embedding_width(config: PreTrainedConfig) -> int:
    """Numbers of a vector."""
    return int(getattr(config, "hidden_size", None) or config.dim)


_CLASSES: dict[Any, type[PreTrainedModel]] = {}


def sentence_encoder(config_class: Any) -> type[PreTrainedModel]:
    """The class for an architecture's config; raises `ModelError` for one that transformers has no text encoder for."""
    if config_class not in _CLASSES:
        base = _base_class(config_class)
        if base is None or not getattr(base, "base_model_prefix", ""):
            raise ModelError(
                f"a {getattr(config_class, 'model_type', config_class.__name__)} model is none that embeddings can be "
                "taken of",
                "a text encoder that transformers has, such as bert, mpnet, xlm-roberta or modernbert",
                "use another model",
            )
        # The architecture's own PreTrainedModel, which knows how weights begin and which attention there is.
        parent = next(one for one in base.__mro__[1:] if issubclass(one, PreTrainedModel))
        name = f"{base.__name__.removesuffix('Model')}For{HEAD}"
        parts = {"__module__": __name__, "config_class": config_class}
        _CLASSES[config_class] = type(name, (_SentenceEmbedding, parent), parts)
    return _CLASSES[config_class]


def _base_class(config_class: Any) -> Any:
    """The encoder without a head; None where transformers has none."""
    found: Any = MODEL_MAPPING.get(config_class, None)
    return found[0] if isinstance(found, list | tuple) else found


class _Mapping:
    """Which configs have a sentence encoder: what an Auto class of transformers has as `_model_mapping`."""

    def __contains__(self, config_class: object) -> bool:
        return _base_class(config_class) is not None


class AutoModelForSentenceEmbedding:
    """With the two verbs of transformers' Auto classes."""

    _model_mapping = _Mapping()

    @classmethod
    def from_config(cls, config: PreTrainedConfig, **_: Any) -> PreTrainedModel:
        """A model as initialised."""
        model: PreTrainedModel = sentence_encoder(type(config))._from_config(config)
        return model

    @classmethod
    def from_pretrained(cls, source: str, **given: Any) -> Any:
        """The model with the weights in a folder or on the Hub, as transformers' own verb; raises `ModelError`."""
        config = given.pop("config", None)
        trusts = given.pop("trust_remote_code", False)
        if config is None:
            where = {name: given[name] for name in ("revision", "local_files_only") if name in given}
            config = AutoConfig.from_pretrained(source, trust_remote_code=trusts, **where)
        for name in ("num_labels", "id2label", "label2id"):
            if name in given:
                setattr(config, name, given.pop(name))
        return sentence_encoder(type(config)).from_pretrained(source, config=config, **given)


def _base(config: PreTrainedConfig) -> PreTrainedModel:
    """The encoder, without the layer that some architectures put behind their first token."""
    base = _base_class(type(config))
    try:
        made: PreTrainedModel = base(config, add_pooling_layer=False)
    except TypeError:
        made = base(config)
    return made
