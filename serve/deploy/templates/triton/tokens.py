"""Texts become the arrays that the graph takes, as `serve/encoding.py` of compress-toolchain makes them."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import triton_python_backend_utils as pb_utils
from tokenizers import Tokenizer


class TritonPythonModel:
    """Needs the packages tokenizers and numpy."""

    def initialize(self, args: dict[str, str]) -> None:
        """Read the tokenizer, which truncates as its file says, and never pads by itself."""
        folder = Path(args["model_repository"]) / args["model_version"]
        self.settings = json.loads((folder / "settings.json").read_text(encoding="utf-8"))
        self.tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self.tokenizer.no_padding()

    def execute(self, requests: list[Any]) -> list[Any]:
        """One response for each request."""
        return [self._respond(request) for request in requests]

    def _respond(self, request: Any) -> Any:
        try:
            columns = [
                self._texts(pb_utils.get_input_tensor_by_name(request, name).as_numpy())
                for name in self.settings["texts"]
            ]
            if len({len(texts) for texts in columns}) > 1:
                raise ValueError(f"{' and '.join(self.settings['texts'])} differ in length.")
        except ValueError as error:
            return pb_utils.InferenceResponse(output_tensors=[], error=pb_utils.TritonError(str(error)))
        texts = columns[0] if len(columns) == 1 else list(zip(*columns, strict=True))
        encodings = self.tokenizer.encode_batch(texts)
        arrays = self._arrays(encodings)
        if self.settings["lengths"]:
            arrays["lengths"] = np.array([max(1, len(encoding.ids)) for encoding in encodings], np.int64)
        return pb_utils.InferenceResponse(
            output_tensors=[pb_utils.Tensor(name, array) for name, array in arrays.items()]
        )

    def _texts(self, given: np.ndarray) -> list[str]:
        """Raises `ValueError` for what is over the limits, and for bytes that are not UTF-8."""
        most, longest = self.settings["most_texts"], self.settings["most_characters"]
        if not 0 < given.size <= most:
            raise ValueError(f"{given.size} texts in one request; from 1 to {most} are answered.")
        try:
            texts = [one.decode("utf-8") for one in given.ravel().tolist()]
        except UnicodeDecodeError:
            raise ValueError("A text is not UTF-8.") from None
        if max(map(len, texts)) > longest:
            raise ValueError(f"A text of {max(map(len, texts))} characters; at most {longest}.")
        return texts

    def _arrays(self, encodings: list[Any]) -> dict[str, np.ndarray]:
        """Each (texts, tokens of the longest), padded on the right."""
        shape = (len(encodings), max(1, *(len(encoding.ids) for encoding in encodings)))
        columns = {
            "input_ids": np.full(shape, self.settings["pad_id"], np.int64),
            "attention_mask": np.zeros(shape, np.int64),
            "token_type_ids": np.zeros(shape, np.int64),
        }
        for row, encoding in enumerate(encodings):
            length = len(encoding.ids)
            columns["input_ids"][row, :length] = encoding.ids
            columns["token_type_ids"][row, :length] = encoding.type_ids
            columns["attention_mask"][row, : max(1, length)] = 1  # of an empty text, one padding token
        return {name: columns[name].astype(dtype) for name, dtype in self.settings["inputs"].items()}
