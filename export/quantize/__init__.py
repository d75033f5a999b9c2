"""How the exported model is made smaller. The union below is the registry of quantisers."""

from typing import Annotated

from pydantic import Field

from export.quantize.auto import Auto
from export.quantize.dynamic import Dynamic
from export.quantize.float16 import Float16
from export.quantize.keep_float import KeepFloat
from export.quantize.qat import Qat
from export.quantize.static import Static
from export.quantize.weights import WeightsOnly

Quantiser = Dynamic | Static | Qat | WeightsOnly | Float16  # what makes a file
Quantize = Annotated[Quantiser | Auto | KeepFloat, Field(discriminator="method")]

__all__ = ["Auto", "Dynamic", "Float16", "KeepFloat", "Qat", "Quantiser", "Quantize", "Static", "WeightsOnly"]
