"""`export:` of a recipe: which form of ONNX file is made."""

from typing import Literal

from export.forms import FUSED, OPSET_23, PORTABLE, Form
from export.options import Options


class ExportOptions(Options):
    """What the file is for."""

    target: Literal["auto", "portable", "cuda"] = "auto"

    def forms(self) -> tuple[Form, ...]:
        """The forms to try, the one to be preferred first."""
        if self.target == "portable":
            return (PORTABLE,)
        if self.target == "cuda":
            return FUSED, OPSET_23, PORTABLE
        return OPSET_23, PORTABLE, FUSED

    def clash(self, quantizer: str) -> str | None:
        """Why a quantiser of this method cannot follow; None where it can."""
        if self.target != "cuda" or quantizer in {"none", "fp16"}:
            return None
        return (
            f"the target is cuda and the quantiser is {quantizer}, whose int8 operators run on the processor; "
            "set quantize to none"
        )

    def is_timed(self, *, ships: bool) -> bool:
        """Time decides among all forms; otherwise the first that proves itself is taken.

        It does for the file that ships on this machine's kind of processor. Where a smaller file is made of this
        one, time would be measured on the wrong file: dynamic int8 of a fused graph leaves most of its weights
        float (measured on three layers of MiniLM at one thread, 16 tokens: 0.92 ms at opset 23, 1.16 ms fused).
        """
        return self.target == "auto" and ships
