"""The one verb of everything that answers: the PyTorch teacher, the ONNX runtime, an HTTP client."""

from collections.abc import Sequence
from typing import Protocol

from serve.inputs import Input
from serve.tasks import Answer


class Predictor(Protocol):
    """Anything that answers texts.

    Scoring, timing, the verdict and the demo take this and do not ask what is behind it.
    """

    def predict(self, inputs: Sequence[Input]) -> list[Answer]:
        """One answer per input, in the order of the inputs."""
        ...
