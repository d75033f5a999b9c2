"""Automatic choice: the candidates of a ladder, which whoever can score and time them climbs."""

from collections.abc import Sequence
from typing import Annotated, Literal

from pydantic import Field, PositiveFloat, PositiveInt

from export.options import Options
from export.quantize.dynamic import Dynamic
from export.quantize.static import Static
from export.quantize.weights import WeightsOnly

Candidate = Dynamic | Static | WeightsOnly


class Auto(Options):
    """Take the fastest candidate that is good enough on the selection rows, or the float file."""

    method: Literal["auto"] = "auto"
    batch_invariant: bool = False  # only candidates whose answers do not depend on the batch
    max_loss: Annotated[float, Field(ge=0, le=1)] = 0.01  # of the metric, against the float file
    max_size_mb: PositiveFloat | None = None  # left out: that of the gates
    calibration_texts: PositiveInt = 512
    seconds: Annotated[float, Field(ge=1, le=3600)] = 20  # of timing

    def candidates(self) -> Sequence[Candidate]:
        """What is tried, in this order."""
        texts = self.calibration_texts
        every: Sequence[Candidate] = (
            Dynamic(),
            Static(calibration_texts=texts),
            Static(calibration="percentile", calibration_texts=texts),
            WeightsOnly(bits=8),
            WeightsOnly(bits=4),
        )
        return [one for one in every if one.batching == "batch" or not self.batch_invariant]
