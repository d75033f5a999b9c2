"""A portable file's operators joined into larger ones that ONNX Runtime alone has, step by step.

After each step the file is held against PyTorch anew; a step that makes it wrong is rolled back, and told.
"""

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import onnx
from transformers import PreTrainedConfig

from export.exporter import silenced
from export.forms import FUSED
from export.graph import check_graph
from export.model import OnnxModel
from export.parity import ParityFinding
from export.proof import ProofError
from serve.errors import BundleError

Hold = Callable[[OnnxModel], ParityFinding]
Step = Callable[[onnx.ModelProto, PreTrainedConfig], onnx.ModelProto]


@dataclass(frozen=True)
class Fused:
    """The file after the last step that held."""

    model: OnnxModel
    finding: ParityFinding
    rolled_back: tuple[str, ...]  # each step that did not hold, with the reason


def fuse(
    plain: OnnxModel, config: PreTrainedConfig, path: Path, hold: Hold, steps: dict[str, Step] | None = None
) -> Fused:
    """Fuse a file of the form `PORTABLE` into `path`; `hold` proves a file or raises `ProofError`.

    Raises `ProofError` where no step holds.
    """
    graph = onnx.load(str(plain.path))
    names = [value.name for value in graph.graph.input]
    held: ParityFinding | None = None
    rolled_back = []
    for name, step in (steps or STEPS).items():
        temporary = path.with_name(path.name + ".part")
        changed = onnx.ModelProto()
        changed.CopyFrom(graph)
        try:
            with silenced():
                changed = step(changed, config)
            onnx.save(changed, str(temporary))
            check_graph(changed, FUSED, config, names)
            held = hold(OnnxModel(temporary, "fp32", FUSED.opset))
        except (ProofError, BundleError) as error:
            rolled_back.append(f"fusion of the {name} rolled back: {str(error).splitlines()[0]}")
            temporary.unlink(missing_ok=True)
            continue
        graph = changed
        temporary.replace(path)
    if held is None:
        raise ProofError("; ".join(rolled_back))
    return Fused(OnnxModel(path, "fp32", FUSED.opset), held, tuple(rolled_back))


def _layers(graph: onnx.ModelProto, config: PreTrainedConfig) -> onnx.ModelProto:
    """Attention, normalisation with the sum before it, activation with its bias."""
    return _optimise(graph, config, embeddings=False)


def _embeddings(graph: onnx.ModelProto, config: PreTrainedConfig) -> onnx.ModelProto:
    """The sum of the embeddings and its normalisation."""
    return _optimise(graph, config, embeddings=True)


STEPS: dict[str, Step] = {"layers": _layers, "embeddings": _embeddings}


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
