"""How many attention operators an export must have, by architecture.

An export that lost them is right and slow, and says nothing, so they are counted. Measured with the
dynamo exporter at opset 23 on small random models of each architecture.
"""

import onnx
from transformers import PreTrainedConfig

from export.proof import ProofError

# Architectures that give one `Attention` for each layer.
ONE_A_LAYER = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "albert"})


def attention_count(graph: onnx.ModelProto) -> int:
    """Fused attention operators in a graph."""
    nodes = list(graph.graph.node)
    return sum(node.op_type in {"Attention", "MultiHeadAttention"} for node in nodes)


def check_attention(graph: onnx.ModelProto, config: PreTrainedConfig) -> None:
    """Raise `ProofError` where an architecture of the table lost a fused attention operator."""
    if config.model_type not in ONE_A_LAYER:
        return
    layers = int(getattr(config, "n_layers", 0) or config.num_hidden_layers)
    found = attention_count(graph)
    if found != layers:
        raise ProofError(
            f"the export of this {config.model_type} has {found} fused attention operators for {layers} layers: "
            "it would be right and slow. Load the model with attn_implementation='sdpa'"
        )
