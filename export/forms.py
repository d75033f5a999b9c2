"""The forms in which a model can be written down as ONNX, and what a file of each must be."""

from collections.abc import Mapping
from dataclasses import dataclass

STANDARD = ""  # the domain of ONNX's own operators
CONTRIB = "com.microsoft"  # operators that ONNX Runtime alone has


@dataclass(frozen=True)
class Form:
    """An opset with the operators that go with it; `maker` counts up when the same model gives another graph."""

    name: str
    opset: int
    ir_version: int  # of the file: what an older runtime refuses first
    domains: frozenset[str]  # where its operators may come from
    maker: int = 1

    def __str__(self) -> str:
        return self.name


# The dynamo exporter's. Attention is one operator of the standard, as fast as ONNX Runtime's own fused one.
OPSET_23 = Form("opset-23", 23, 10, frozenset({STANDARD}), maker=3)
# The TorchScript exporter's, which old runtimes and browsers read.
PORTABLE = Form("portable", 17, 8, frozenset({STANDARD}))
# The same with operators joined into those that ONNX Runtime adds to the standard.
FUSED = Form("opset-17-fused", 17, 8, frozenset({STANDARD, CONTRIB}))

FORMS: Mapping[str, Form] = {form.name: form for form in (OPSET_23, PORTABLE, FUSED)}
