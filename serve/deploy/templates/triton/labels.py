"""Logits become labels and probabilities, as `serve/tasks/text_classification.py` of compress-toolchain makes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Needs numpy."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the labels, in the order of the logits."""
        folder = Path(args["model_repository"]) / args["model_version"]
        settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self.labels = np.array([label.encode("utf-8") for label in settings["labels"]], dtype=object)

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        logits = pb_utils.get_input_tensor_by_name(request, "logits").as_numpy()
        if not np.isfinite(logits).all():
            error = pb_utils.TritonError("The model gave numbers that are none.")
            return pb_utils.InferenceResponse(output_tensors=[], error=error)
        exponentials = np.exp(logits.astype(np.float64) - logits.max(axis=-1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=-1, keepdims=True)
        return pb_utils.InferenceResponse(
            output_tensors=[
                pb_utils.Tensor("label", self.labels[probabilities.argmax(axis=-1)]),
                pb_utils.Tensor("probabilities", probabilities.astype(np.float32)),
            ]
        )
