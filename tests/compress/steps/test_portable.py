"""`export.target: portable` for every head: one proven file of opset 17, of standard operators alone."""

import random
from pathlib import Path

import numpy as np
import onnx
import pytest
from every_task import CASES, TaskCase
from tiny import save_tiny_encoder
from transformers import set_seed

from compress.data.load import load_splits
from compress.models.open import load_classifier, open_model
from compress.models.predict import TorchPredictor, input_names
from compress.models.source import ModelSource
from compress.models.trained import load_trained, save_trained
from compress.recipe import DataOptions
from compress.steps.proof import reference
from compress.tasks import task_named
from export.candidates import export_best
from export.target import ExportOptions
from serve.bundle import TOKENIZER
from serve.runtime import OnnxRuntime
from serve.tasks import Read

HEADS = [case for case in CASES if "task" in case.recipe]  # the others' is that of text classification


@pytest.mark.parametrize("case", HEADS, ids=lambda case: case.name)
def test_a_portable_file_answers_as_its_model(case: TaskCase, tmp_path: Path) -> None:
    """A model that has learnt nothing; texts that it reads in several windows among the others."""
    save_tiny_encoder(tmp_path / "encoder", layers=2)
    task = task_named(case.recipe["task"])
    splits = load_splits(DataOptions(path=str(case.write(tmp_path / "data"))), 13, task)
    labels = splits.label_names or task.output_names
    opened = open_model(ModelSource(model=str(tmp_path / "encoder")), task)
    set_seed(1)
    made = load_classifier(opened, labels, new_head=True, task=task)
    save_trained(made, opened.tokenizer, labels, 48, tmp_path / "model")
    trained = load_trained(tmp_path / "model")
    forms = ExportOptions(target="portable").forms()
    names = input_names(trained.model)
    held = reference(trained, splits.validation)
    exported = export_best(trained.model, names, forms, held, tmp_path / "file.onnx", timed=False)
    assert [(one.name, one.proven, one.chosen) for one in exported.tried] == [("portable", True, True)]
    graph = onnx.load(str(exported.model.path))
    assert [(one.domain, one.version) for one in graph.opset_import] == [("", 17)]
    assert {node.domain for node in graph.graph.node} == {""}
    assert [one.name for one in graph.graph.output] == [
        one.name for one in trained.answering.outputs(len(labels))
    ]
    runtime = OnnxRuntime.from_files(
        exported.model.path,
        trained.folder / TOKENIZER,
        trained.labels,
        batching="batch",
        answering=trained.answering,
    )
    texts = [*splits.test.texts[:30], *case.asked(_long_texts())]
    asked = runtime.tokens(texts)
    if case.name != "embeddings":
        assert any(isinstance(one, Read) and len(one.windows) > 1 for one in asked)
    answers = (task.stack(one.predict(texts), labels) for one in (runtime, TorchPredictor(trained)))
    np.testing.assert_allclose(*answers, atol=1e-4)


def _long_texts() -> list[str]:
    drawn = random.Random(5)
    return [" ".join(drawn.choices(["the", "goal", "soup", "was", "good"], k=120)) for _ in range(2)]
