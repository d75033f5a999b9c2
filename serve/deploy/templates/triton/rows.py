"""Each text alone through the graph: int8 takes one scale over a whole batch, so neighbours would change an answer."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils


class TritonPythonModel:
    """Asks the ONNX model from within Triton (business logic scripting)."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read which model is asked."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        arrays = {
            name: pb_utils.get_input_tensor_by_name(request, name).as_numpy()
            for name in self.settings["inputs"]
        }
        lengths = pb_utils.get_input_tensor_by_name(request, "lengths").as_numpy().tolist()
        alone = [
            {name: np.ascontiguousarray(array[row : row + 1, :length]) for name, array in arrays.items()}
            for row, length in enumerate(lengths)
        ]
        try:
            rows = [self._logits(row) for row in alone]
        except RuntimeError as error:
            return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(str(error)))
        logits = pb_utils.Tensor("logits", np.concatenate(rows).astype(np.float32))
        return pb_utils.InferenceResponse(output_tensors=[logits])

    def _logits(self, arrays: dict[str, np.ndarray]) -> np.ndarray:
        """Of one text, (1, labels), from arrays of (1, its own tokens)."""
        output = self.settings["output"]
        asked = pb_utils.InferenceRequest(
            model_name=self.settings["onnx"],
            requested_output_names=[output],
            inputs=[pb_utils.Tensor(name, array) for name, array in arrays.items()],
        )
        found = asked.exec()
        if found.has_error():
            raise RuntimeError(found.error().message())
        return np.asarray(pb_utils.get_output_tensor_by_name(found, output).as_numpy())
