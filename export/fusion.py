"""A portable file's operators joined into larger ones that ONNX Runtime alone has, step by step."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from transformers import PreTrainedConfig

from export.forms import FUSED
from export.model import OnnxModel
from export.parity import ParityFinding
from export.proof import ProofError
from export.steps import Hold, Step, take_steps


@dataclass(frozen=True)
class Fused:
    """The file after the last step that held."""

    model: OnnxModel
    finding: ParityFinding
    rolled_back: tuple[str, ...]  # each step that did not hold, with the reason


def fuse(
    plain: OnnxModel,
    config: PreTrainedConfig,
    path: Path,
    hold: Hold,
    steps: Mapping[str, Step] | None = None,
) -> Fused:
    """Fuse a file of the form `PORTABLE` into `path`; `hold` proves a file or raises `ProofError`.

    Raises `ProofError` where no step holds.
    """
    done = take_steps(plain, FUSED, config, path, hold, steps or STEPS)
    if done.model is None or done.finding is None:
        raise ProofError("; ".join(done.rolled_back))
    return Fused(done.model, done.finding, done.rolled_back)


def _layers(graph: onnx.ModelProto, config: PreTrainedConfig) -> onnx.ModelProto:
    """Attention, normalisation with the sum before it, activation with its bias."""
    return _optimise(graph, config, embeddings=False)


def _embeddings(graph: onnx.ModelProto, config: PreTrainedConfig) -> onnx.ModelProto:
    """The sum of the embeddings and its normalisation."""
    return _optimise(graph, config, embeddings=True)


STEPS: Mapping[str, Step] = {"fusion of the layers": _layers, "fusion of the embeddings": _embeddings}


def _optimise(graph: onnx.ModelProto, config: PreTrainedConfig, *, embeddings: bool) -> onnx.ModelProto:
    from onnxruntime.transformers.fusion_options import FusionOptions
    from onnxruntime.transformers.optimizer import optimize_model

    options = FusionOptions("bert")
    options.enable_embed_layer_norm = embeddings
    heads = getattr(config, "num_attention_heads", None) or 0
    optimised = optimize_model(
        graph,
        model_type="bert",  # the tool's name for every encoder
        num_heads=heads,
        hidden_size=config.hidden_size if heads else 0,
        optimization_options=options,
        opt_level=0,  # the fusions alone: ONNX Runtime does the rest itself when it loads the file
    )
    found: onnx.ModelProto = optimised.model
    return found
