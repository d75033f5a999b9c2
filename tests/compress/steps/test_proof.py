"""The proof of a run's files: every row that selects is asked for an answer, not only those that are compared."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import numpy_helper
from small_models import small_model
from tiny import save_tiny_encoder

from compress.data.rows import Rows
from compress.models.predict import input_names
from compress.models.tokenizer import load_tokenizer
from compress.models.trained import Trained, load_trained, save_trained
from compress.steps.proof import PARITY, PROOF_TEXTS, prove, reference
from export.model import OnnxModel
from export.proof import ProofError
from export.torchscript import to_portable

COMPARED = ["the team saw a goal", "soup", "we cook bread and sauce near the new hotel today"]
RARE = "spice"
ROWS = Rows([*(COMPARED * PROOF_TEXTS)[:PROOF_TEXTS], *COMPARED * 20, f"dinner and {RARE}"], None)


@pytest.fixture(scope="module")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Trained:
    folder = tmp_path_factory.mktemp("trained")
    tokenizer = load_tokenizer(str(save_tiny_encoder(tmp_path_factory.mktemp("encoder"))))
    save_trained(small_model("bert"), tokenizer, ("a", "b", "c"), 64, folder)
    return load_trained(folder)


def test_every_row_is_asked_once(trained: Trained) -> None:
    held = reference(trained, ROWS)
    ids = [row.tolist() for arrays in held.further for row in arrays["input_ids"]]
    assert len(ids) == len(ROWS) - PROOF_TEXTS
    rare = trained.encoder.token_to_id(RARE)
    assert sum(rare in row for row in ids) == 1
    assert not any(rare in arrays["input_ids"] for arrays in held.batches)


def test_nan_in_the_last_row_of_many_is_caught_where_a_run_proves_its_files(
    trained: Trained, tmp_path: Path
) -> None:
    """In a word that no text has on which the file is compared with PyTorch."""
    model = to_portable(trained.model, input_names(trained.model), tmp_path / "model.onnx")
    prove(model, trained, ROWS, tmp_path)
    (tmp_path / PARITY).unlink()
    graph = onnx.load(str(model.path))
    table = next(tensor for tensor in graph.graph.initializer if "word_embeddings" in tensor.name)
    values = numpy_helper.to_array(table).copy()
    values[trained.encoder.token_to_id(RARE)] = np.nan
    table.CopyFrom(numpy_helper.from_array(values, table.name))
    onnx.save(graph, str(tmp_path / "wrong.onnx"))
    wrong = OnnxModel(tmp_path / "wrong.onnx", "fp32", model.opset)
    with pytest.raises(ProofError, match=r"wrong\.onnx gives NaN or infinity"):
        prove(wrong, trained, ROWS, tmp_path)
    assert not (tmp_path / PARITY).exists()
