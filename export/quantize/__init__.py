"""How the exported model is made smaller. The union below is the registry of quantisers."""

from typing import Annotated

from pydantic import Field

from export.quantize.dynamic import Dynamic
from export.quantize.keep_float import KeepFloat

Quantize = Annotated[Dynamic | KeepFloat, Field(discriminator="method")]

__all__ = ["Dynamic", "KeepFloat", "Quantize"]
