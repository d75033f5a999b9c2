"""How many attention operators an export must have, by architecture and form.

An export that lost them is right and slow, and says nothing, so they are counted. Measured on small
random models of each architecture, with the dynamo exporter at opset 23 and with ONNX Runtime's fusion tool on
a TorchScript export of eager attention. The tool does not know a last layer that is computed for the first
token alone, nor the first of ALBERT's, which all share their weights.
"""

import onnx
from transformers import PreTrainedConfig

from export.forms import CONTRIB, FUSED, OPSET_23, STANDARD, Form
from export.proof import ProofError

# Architectures that give one `Attention` for each layer at opset 23.
ONE_A_LAYER = frozenset(
    {"bert", "roberta", "xlm-roberta", "camembert", "electra", "distilbert", "albert", "modernbert"}
)
# Those whose attention the fusion tool finds: of every layer, of all layers but one.
ALL_FUSED = frozenset({"distilbert"})
ALL_BUT_ONE_FUSED = frozenset({"bert", "roberta", "xlm-roberta", "camembert", "electra", "albert"})
# Those whose attention is no pattern that either tool knows.
NONE = frozenset({"deberta-v2", "compress-bilstm", "compress-textcnn"})
_OPERATORS = {"Attention", "MultiHeadAttention"}


def attention_count(graph: onnx.ModelProto, domain: str = STANDARD) -> int:
    """Fused attention operators of a domain in a graph."""
    return sum(node.op_type in _OPERATORS and node.domain == domain for node in graph.graph.node)


def attention_expected(form: Form, config: PreTrainedConfig) -> int | None:
    """How many this architecture gives in this form; None where the table does not know it."""
    kind = config.model_type
    if kind not in ONE_A_LAYER | NONE:
        return None
    layers = int(getattr(config, "n_layers", 0) or getattr(config, "num_hidden_layers", 0))
    if form is FUSED:
        return layers if kind in ALL_FUSED else layers - 1 if kind in ALL_BUT_ONE_FUSED else 0
    return layers if form is OPSET_23 and kind in ONE_A_LAYER else 0


def check_attention(graph: onnx.ModelProto, form: Form, config: PreTrainedConfig) -> None:
    """Raise `ProofError` where an architecture of the table lost a fused attention operator."""
    expected = attention_expected(form, config)
    found = attention_count(graph, CONTRIB if form is FUSED else STANDARD)
    # A head that reads every token, or more than the first, leaves no layer out.
    whole = form is FUSED and config.model_type in ALL_BUT_ONE_FUSED and expected is not None
    if expected is not None and found != expected and not (whole and found == expected + 1):
        kind = "eager" if form is FUSED else "sdpa"
        raise ProofError(
            f"the export of this {config.model_type} has {found} fused attention operators where its layers give "
            f"{expected}: it would be right and slow. Load the model with attn_implementation='{kind}'"
        )
