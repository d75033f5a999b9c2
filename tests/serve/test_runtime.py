"""The runtime answers each text as if it were alone."""

import json
import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import onnx
import pytest

import serve
from serve.errors import BundleError, InputError, UserError
from serve.runtime import OnnxRuntime

ROOT = Path(__file__).parents[2]


def test_the_model_tells_good_from_bad(runtime: OnnxRuntime) -> None:
    good, bad = runtime.predict(["a great film", "a dull film"])
    assert (good.label, bad.label) == ("positive", "negative")
    assert good.score > 0.8
    assert sum(good.probabilities.values()) == pytest.approx(1)


def test_alone_and_together_give_the_same_answers_in_order(runtime: OnnxRuntime, texts: list[str]) -> None:
    alone = [runtime.predict([text])[0] for text in texts]
    together = runtime.predict(texts)
    assert [answer.label for answer in together] == [answer.label for answer in alone]
    assert len({answer.label for answer in together}) == 2
    for one, other in zip(together, alone, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert (one.tokens, one.truncated) == (other.tokens, other.truncated)
    assert sum(answer.truncated for answer in together) == 1


def test_more_texts_than_one_batch_keep_their_order(runtime: OnnxRuntime, texts: list[str]) -> None:
    many = [texts[(7 * number) % len(texts)] for number in range(1100)]
    alone = dict(zip(texts, runtime.logits(texts), strict=True))
    np.testing.assert_allclose(runtime.logits(many), [alone[text] for text in many], atol=1e-5)
    assert [answer.label for answer in runtime.predict(many)] == [
        ["negative", "positive"][int(alone[text].argmax())] for text in many
    ]


@pytest.mark.parametrize(
    ("batches", "largest"),
    [((True, 4), 4), ((False, 8), 1), (None, 6)],
    ids=["together", "one by one", "unknown"],
)
def test_a_bundle_is_asked_in_the_batches_that_were_measured_to_be_best(
    bundle_folder: Path,
    tmp_path: Path,
    texts: list[str],
    monkeypatch: pytest.MonkeyPatch,
    batches: tuple[bool, int] | None,
    largest: int,
) -> None:
    shutil.copytree(bundle_folder, tmp_path / "bundle")
    manifest = json.loads((tmp_path / "bundle/bundle.json").read_text())
    if batches is not None:
        together, most = batches
        manifest["batches"] = {"together": together, "texts": most, "tokens": 64, "curve": []}
    (tmp_path / "bundle/bundle.json").write_text(json.dumps(manifest))
    runtime = serve.load(tmp_path / "bundle", threads=1)
    shapes = []
    run = type(runtime._session).run

    def watched(session: object, arrays: dict) -> object:
        shapes.append(len(arrays["input_ids"]))
        return run(session, arrays)

    monkeypatch.setattr(type(runtime._session), "run", watched)

    runtime.predict(texts[:6])

    assert max(shapes) == largest
    assert sum(shapes) == 6


def test_one_by_one_never_feeds_two_texts_at_once(
    bundle_folder: Path, texts: list[str], runtime: OnnxRuntime, monkeypatch: pytest.MonkeyPatch
) -> None:
    single = OnnxRuntime.from_files(
        bundle_folder / "onnx/model.onnx",
        bundle_folder / "tokenizer.json",
        ["negative", "positive"],
        batching="one_by_one",
    )
    shapes = []
    run = type(single._session).run

    def watched(session: object, arrays: dict) -> object:
        shapes.append(arrays["input_ids"].shape)
        return run(session, arrays)

    monkeypatch.setattr(type(single._session), "run", watched)
    found = single.logits(texts)
    assert [rows for rows, _ in shapes] == [1] * len(texts)
    np.testing.assert_allclose(found, runtime.logits(texts), atol=1e-5)


def test_nothing_in_nothing_out(runtime: OnnxRuntime) -> None:
    assert runtime.predict([]) == []
    assert runtime.logits([]).shape == (0, 2)


def test_a_single_text_is_not_taken_for_its_letters(runtime: OnnxRuntime) -> None:
    with pytest.raises(InputError, match="list of texts"):
        runtime.predict("a good film")


def test_many_threads_may_ask_at_once(runtime: OnnxRuntime, texts: list[str]) -> None:
    expected = {text: runtime.predict([text])[0].label for text in texts}
    with ThreadPoolExecutor(8) as pool:
        asked = texts * 20
        found = list(pool.map(lambda text: runtime.predict([text])[0].label, asked))
    assert found == [expected[text] for text in asked]


def from_model(
    model: onnx.ModelProto, folder: Path, labels: list[str] | None = None, **options: int
) -> OnnxRuntime:
    path = folder / "changed.onnx"
    onnx.save(model, path)
    tokenizer = folder / "bundle/tokenizer.json"
    return OnnxRuntime.from_files(path, tokenizer, labels or ["n", "p"], batching="batch", **options)


def test_a_graph_without_token_types_is_fed_without_them(bundle_copy: Path) -> None:
    model = onnx.load(bundle_copy / "onnx/model.onnx")
    types = next(node for node in model.graph.node if "token_type_ids" in node.input)
    add = next(node for node in model.graph.node if types.output[0] in node.input)
    add.input[1] = "bias_of_types"
    model.graph.initializer.append(onnx.numpy_helper.from_array(np.zeros(6, np.float32), "bias_of_types"))
    model.graph.node.remove(types)
    model.graph.input.pop()
    assert from_model(model, bundle_copy.parent).predict(["a great film"])[0].label == "p"


def test_a_graph_that_is_no_classifier_of_these_labels_is_refused(bundle_copy: Path) -> None:
    model = onnx.load(bundle_copy / "onnx/model.onnx")
    with pytest.raises(BundleError, match="one column per label"):
        from_model(model, bundle_copy.parent, ["a", "b", "c"])
    model.graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.FLOAT
    with pytest.raises(BundleError):
        from_model(model, bundle_copy.parent)
    unknown = onnx.load(bundle_copy / "onnx/model.onnx")
    unknown.graph.input.append(onnx.helper.make_tensor_value_info("pixels", 1, [1]))
    with pytest.raises(BundleError, match="pixels"):
        from_model(unknown, bundle_copy.parent)


def test_a_foreign_operator_is_refused_in_our_words(bundle_copy: Path) -> None:
    model = onnx.load(bundle_copy / "onnx/model.onnx")
    model.graph.node[-1].domain = "someone.else"
    model.opset_import.append(onnx.helper.make_opsetid("someone.else", 1))
    with pytest.raises(BundleError, match="cannot load"):
        from_model(model, bundle_copy.parent)


def test_manifest_and_files_must_agree(bundle_copy: Path) -> None:
    path = bundle_copy / "bundle.json"
    original = json.loads(path.read_text())
    for change, message in [
        ({"max_length": 32}, "truncates at 16"),
        ({"inputs": original["inputs"][:2]}, "the inputs of the manifest"),
        ({"output": "scores"}, "'scores'"),
        ({"labels": ["one"]}, "one column per label"),
    ]:
        path.write_text(json.dumps({**original, **change}))
        with pytest.raises(BundleError, match=message):
            serve.load(bundle_copy)


def test_threads_are_set_explicitly(bundle_folder: Path) -> None:
    assert serve.load(bundle_folder, threads=2).threads == 2
    assert serve.load(bundle_folder).threads >= 1
    with pytest.raises(UserError, match="0 threads"):
        serve.load(bundle_folder, threads=0)


def test_serving_never_loads_what_training_needs(bundle_folder: Path) -> None:
    program = """
import importlib, pkgutil, sys
import serve
assert "onnxruntime" not in sys.modules, "import serve must stay light"
names = [module.name for module in pkgutil.walk_packages(serve.__path__, "serve.")]
for name in names:
    if not name.endswith("__main__"):
        importlib.import_module(name)
serve.load(sys.argv[1]).predict(["a good film"])
heavy = {"torch", "transformers", "onnx", "gradio", "compress", "export", "app"} & set(sys.modules)
assert not heavy, heavy
print(len(names))
"""
    root = Path(__file__).parents[2]
    done = subprocess.run(
        [sys.executable, "-c", program, str(bundle_folder)],
        capture_output=True,
        text=True,
        cwd=root,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) >= 15


def test_onnx_runtime_reports_to_nobody(bundle_folder: Path, tmp_path: Path) -> None:
    """Its wheel for Linux would keep a database and a device's id in the home folder, and report to its makers."""
    script = f"import serve; serve.load({str(bundle_folder)!r}, threads=1).predict(['good'])"
    home = {name: str(tmp_path) for name in ("HOME", "XDG_CACHE_HOME", "XDG_DATA_HOME")}
    without = {name: value for name, value in os.environ.items() if name != "ORT_DISABLE_TELEMETRY"}
    subprocess.run([sys.executable, "-c", script], check=True, env=without | home, cwd=ROOT)
    assert list(tmp_path.rglob("*")) == []
