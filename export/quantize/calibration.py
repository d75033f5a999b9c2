"""What a model computes inside on calibration texts, text by text.

ONNX Runtime's own collector keeps every tensor of every text until the end: a BERT and 32 texts took 123 GB
(onnxruntime#10503). Here one text is computed at a time, and no more tensors at once than fit a ceiling.
"""

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
import onnxruntime as ort
from numpy.typing import NDArray

from export.quantize.circumstances import Feed
from serve.threads import available_threads

CEILING = 256 * 2**20  # bytes of tensors that are held at once, as far as one tensor leaves a choice
_ERRORS_ONLY = 3


def inside(
    model: onnx.ModelProto, widths: Mapping[str, int], feeds: Sequence[Feed], ceiling: int = CEILING
) -> Iterator[tuple[str, NDArray[np.float32]]]:
    """Tensors of the graph by name, each as (1, tokens, width) or (1, width), text by text.

    `widths` names the tensors that are asked for and says how wide each is.
    """
    longest = max((max(array.size for array in feed.values()) for feed in feeds), default=0)
    with tempfile.TemporaryDirectory(prefix="compress-calibration-") as scratch:
        for names in _groups(widths, longest, ceiling):
            session = _open(model, names, Path(scratch) / "model.onnx")
            for feed in feeds:
                yield from zip(names, session.run(names, dict(feed)), strict=True)


def _groups(widths: Mapping[str, int], longest: int, ceiling: int) -> list[list[str]]:
    """The names, so many at a time that their tensors stay under the ceiling."""
    groups: list[list[str]] = []
    room = 0
    for name, width in widths.items():
        size = 4 * width * longest
        if size > room:
            groups.append([])
            room = ceiling
        groups[-1].append(name)
        room -= size
    return groups


def _open(model: onnx.ModelProto, names: Sequence[str], path: Path) -> ort.InferenceSession:
    """A session that gives these tensors; it goes over the disk, so that memory holds the weights once less."""
    graph = model.graph
    outputs = list(graph.output)
    del graph.output[:]
    graph.output.extend(
        onnx.helper.make_tensor_value_info(name, onnx.TensorProto.FLOAT, None) for name in names
    )
    try:
        onnx.save(model, str(path))
    finally:
        del graph.output[:]
        graph.output.extend(outputs)
    options = ort.SessionOptions()
    options.log_severity_level = _ERRORS_ONLY
    options.intra_op_num_threads = available_threads()
    options.enable_cpu_mem_arena = False  # it would keep what the longest text needed
    return ort.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
