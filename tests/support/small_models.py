"""Small random classifiers of several architectures, with logits that differ from text to text."""

from collections.abc import Mapping, Sequence

import numpy as np
import torch
from numpy.typing import NDArray
from transformers import AutoConfig, AutoModelForSequenceClassification, PreTrainedModel

from compress.judge.machine import machine
from compress.models import word_models as _registered  # noqa: F401  so that AutoConfig knows them
from export.parity import Forward
from export.quantize.circumstances import Circumstances, saturates
from serve.encoding import Integers

# As a run quantises on this machine: weights of 7 bits where products of 8 would be cut off.
HERE = Circumstances(saturates=saturates(machine().instruction_set))

SMALL = {
    "vocab_size": 300,
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "max_position_embeddings": 130,
    "num_labels": 3,
}
ARCHITECTURES: dict[str, dict[str, object]] = {
    "bert": SMALL,
    "roberta": SMALL | {"pad_token_id": 1, "type_vocab_size": 1},
    "xlm-roberta": SMALL | {"pad_token_id": 1, "type_vocab_size": 1},
    "camembert": SMALL | {"pad_token_id": 1, "type_vocab_size": 1},
    "electra": SMALL | {"embedding_size": 32},
    "albert": SMALL | {"embedding_size": 16},
    "distilbert": {
        "vocab_size": 300,
        "dim": 32,
        "n_layers": 2,
        "n_heads": 4,
        "hidden_dim": 64,
        "max_position_embeddings": 130,
        "num_labels": 3,
    },
    "deberta-v2": SMALL
    | {"relative_attention": True, "position_buckets": 16, "pos_att_type": ["p2c", "c2p"]},
    "modernbert": SMALL | {"pad_token_id": 0, "local_attention": 16, "global_attn_every_n_layers": 2},
}
# The same layers with other settings, under a name of their own.
VARIANTS: dict[str, tuple[str, dict[str, object]]] = {
    "minilm": ("bert", SMALL | {"num_attention_heads": 8, "intermediate_size": 128}),
    "deberta-v3": (
        "deberta-v2",
        ARCHITECTURES["deberta-v2"]
        | {
            "share_att_key": True,
            "norm_rel_ebd": "layer_norm",
            "position_biased_input": False,
            "type_vocab_size": 0,
        },
    ),
    "bilstm": (
        "compress-bilstm",
        {"vocab_size": 300, "embedding_size": 32, "hidden_size": 24, "num_labels": 3},
    ),
    "textcnn": ("compress-textcnn", {"vocab_size": 300, "embedding_size": 32, "filters": 8, "num_labels": 3}),
}

TEXTS = [
    "the team saw a goal",
    "soup",
    "we cook bread and sauce near the new hotel today and it was very good",
    "flight to the beach with luggage and a map " * 6,
    "old league match",
    "the coach was bad, the score was good",
    "dinner today",
    "train near hotel " * 3,
    "a very good spice",
    "they saw an unknown zzz word",
]


def small_model(architecture: str, *, deviation: float = 0.5) -> PreTrainedModel:
    """A small random classifier; its weights are scaled until its logits have a deviation of at least so much.

    As initialised they have 0.002 to 0.014, and any tolerance would pass.
    """
    torch.manual_seed(11)
    kind, settings = VARIANTS.get(architecture) or (architecture, ARCHITECTURES[architecture])
    config = AutoConfig.for_model(kind, **settings)
    model = AutoModelForSequenceClassification.from_config(config).eval()
    ids = torch.randint(5, 300, (16, 12))
    for _ in range(20):
        with torch.inference_mode():
            if float(model(input_ids=ids, attention_mask=torch.ones_like(ids)).logits.std()) >= deviation:
                return model
        with torch.no_grad():
            for name, parameter in model.named_parameters():
                if parameter.dim() > 1 and "embedding" not in name.lower():
                    parameter.mul_(1.5)
    raise AssertionError(f"the logits of this {architecture} stay flat")


def torch_forward(model: PreTrainedModel) -> Forward:
    """The model as parity takes it: token arrays by name to logits."""

    def forward(arrays: Mapping[str, Integers]) -> NDArray[np.float32]:
        with torch.inference_mode():
            tensors = {name: torch.from_numpy(values) for name, values in arrays.items()}
            return np.asarray(model(**tensors).logits.numpy())

    return forward


def seen_while_training(model: PreTrainedModel, feeds: Sequence[Mapping[str, Integers]]) -> None:
    """Texts go through the model in training mode without dropout; nothing is learnt."""
    model.train()
    for module in model.modules():
        if isinstance(module, torch.nn.Dropout):
            module.p = 0.0
    with torch.no_grad():
        for feed in feeds:
            model(**{name: torch.from_numpy(np.asarray(values)) for name, values in feed.items()})
    model.eval()
