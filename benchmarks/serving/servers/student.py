"""The student as every peer calls it: its tokenizer and one ONNX Runtime session with one thread.

Needs nothing of this project, so that it runs in the peers' own environments.
"""

import json
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnxruntime
from tokenizers import Tokenizer


class Student:
    """Texts to labels with scores, in one true batch."""

    def __init__(self, bundle: str) -> None:
        folder = Path(bundle)
        manifest = json.loads((folder / "bundle.json").read_text(encoding="utf-8"))
        self._labels = manifest["labels"]
        self._inputs = [one["name"] for one in manifest["inputs"]]
        self._tokenizer = Tokenizer.from_file(str(folder / "tokenizer.json"))
        self._tokenizer.enable_padding()
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = options.inter_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / manifest["model"]), options, providers=["CPUExecutionProvider"]
        )

    def __call__(self, texts: Sequence[str]) -> list[dict[str, object]]:
        """One answer for each."""
        encodings = self._tokenizer.encode_batch(list(texts))
        columns = {
            "input_ids": [one.ids for one in encodings],
            "attention_mask": [one.attention_mask for one in encodings],
            "token_type_ids": [one.type_ids for one in encodings],
        }
        arrays = {name: np.array(columns[name], dtype=np.int64) for name in self._inputs}
        (logits,) = self._session.run(None, arrays)
        exponentials = np.exp(logits - logits.max(axis=1, keepdims=True))
        probabilities = exponentials / exponentials.sum(axis=1, keepdims=True)
        return [
            {"label": self._labels[int(row.argmax())], "score": float(row.max())} for row in probabilities
        ]
