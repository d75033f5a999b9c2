"""Changes to an exported graph, one after the other, each proven before the next.

After each step the file is held against PyTorch anew; a step that makes it wrong is rolled back, and told.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import onnx
from transformers import PreTrainedConfig

from export.exporter import silenced
from export.forms import Form
from export.graph import check_graph
from export.model import OnnxModel
from export.parity import ParityFinding
from export.proof import ProofError
from serve.errors import BundleError

Hold = Callable[[OnnxModel], ParityFinding]
Step = Callable[[onnx.ModelProto, PreTrainedConfig], onnx.ModelProto]


@dataclass(frozen=True)
class Stepped:
    """The file after the last step that held; the model and finding are None where none did."""

    model: OnnxModel | None
    finding: ParityFinding | None
    rolled_back: tuple[str, ...]  # each step that did not hold, with the reason


def take_steps(
    plain: OnnxModel,
    form: Form,
    config: PreTrainedConfig,
    path: Path,
    hold: Hold,
    steps: Mapping[str, Step],
) -> Stepped:
    """Change a file of the same opset into one of this form, at `path`; `hold` proves a file or raises `ProofError`."""
    graph = onnx.load(str(plain.path))
    names = [value.name for value in graph.graph.input]
    held: ParityFinding | None = None
    rolled_back = []
    for name, step in steps.items():
        temporary = path.with_name(path.name + ".part")
        changed = onnx.ModelProto()
        changed.CopyFrom(graph)
        try:
            with silenced():
                changed = step(changed, config)
            onnx.save(changed, str(temporary))
            check_graph(changed, form, config, names)
            held = hold(OnnxModel(temporary, "fp32", form.opset))
        except (ProofError, BundleError) as error:
            rolled_back.append(f"{name} rolled back: {str(error).splitlines()[0]}")
            temporary.unlink(missing_ok=True)
            continue
        graph = changed
        temporary.replace(path)
    return Stepped(None if held is None else OnnxModel(path, "fp32", form.opset), held, tuple(rolled_back))
