"""Each quantiser: near the float file, smaller, and as independent of the batch as it says."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, numpy_helper
from small_models import HERE, TEXTS, small_model, torch_forward

from export.model import OnnxModel
from export.parity import prove_parity
from export.quantize import Auto, Dynamic, Float16, Quantiser, Static, WeightsOnly
from export.quantize.circumstances import Circumstances, Feed, saturates
from export.quantize.sensitivity import output_errors
from export.quantize.weighted import weighted_nodes
from serve.encoding import pad, read_tokenizer, tokenize
from serve.session import open_session

QUANTISERS: list[Quantiser] = [
    Dynamic(),
    Static(),
    Static(calibration="percentile"),
    Static(calibration="entropy"),
    WeightsOnly(bits=8),
    WeightsOnly(bits=4),
    Float16(),
]
VNNI = ["avx2", "avx512f", "avx512_vnni"]


@pytest.mark.parametrize("quantiser", QUANTISERS, ids=lambda one: one.title)
def test_it_answers_as_the_float_file_and_is_smaller(
    quantiser: Quantiser,
    exported: OnnxModel,
    feeds: list[Feed],
    tokenizer_folder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    limit = {"fp16": 0.005, "int4-weights": 0.9}.get(quantiser.precision, 0.3)
    # Random weights 32 wide are hard on 4 bits: 0.4 to 0.6, where a trained model has 0.05 and noise 1.4.
    monkeypatch.setattr("export.parity.INT8_TOLERANCE", limit)
    small = quantiser.quantize(exported, tmp_path / "small.onnx", replace(HERE, feeds=feeds))
    tokenizer = read_tokenizer(tokenizer_folder / "tokenizer.json")
    finding = prove_parity(small, torch_forward(small_model("bert")), tokenizer, 0, TEXTS, 3)
    assert 0 < finding.difference < limit
    assert small.size_mb < exported.size_mb
    assert (small.precision, small.batching) == (quantiser.precision, quantiser.batching)
    operators = {node.op_type for node in onnx.load(str(small.path)).graph.node}
    assert "Attention" in operators  # still fused, still float
    assert [path.name for path in tmp_path.iterdir()] == ["small.onnx"]


@pytest.mark.parametrize("quantiser", QUANTISERS, ids=lambda one: one.title)
def test_what_says_batch_does_not_depend_on_the_batch(
    quantiser: Quantiser, exported: OnnxModel, feeds: list[Feed], tokenizer_folder: Path, tmp_path: Path
) -> None:
    """Alone against beside seven others, padded to their length. The dynamic one shows what is looked for."""
    small = quantiser.quantize(exported, tmp_path / "small.onnx", replace(HERE, feeds=feeds))
    session = open_session(small.path, 3, threads=1)
    tokenizer = read_tokenizer(tokenizer_folder / "tokenizer.json")
    together = session.run(pad(tokenize(tokenizer, TEXTS), session.inputs, 0).arrays)
    alone = np.concatenate([session.run(dict(feed)) for feed in feeds])
    apart = float(np.abs(together - alone).max())
    float16 = 0.01  # rounding in another order
    assert (apart < (float16 if isinstance(quantiser, Float16) else 1e-4)) == (small.batching == "batch")


def test_batch_invariance_leaves_no_candidate_that_depends_on_its_batch() -> None:
    assert any(isinstance(one, Dynamic) for one in Auto().candidates())
    invariant = Auto(batch_invariant=True).candidates()
    assert {type(one) for one in invariant} == {Static, WeightsOnly}
    assert {one.batching for one in invariant} == {"batch"}


def int8_matrices(path: Path) -> list[np.ndarray]:
    """The int8 weights of products."""
    return [
        numpy_helper.to_array(tensor).astype(np.int64)
        for tensor in onnx.load(str(path)).graph.initializer
        if tensor.data_type == TensorProto.INT8 and len(tensor.dims) == 2
    ]


def pairs_cut_off(weights: np.ndarray) -> int:
    """Pairs of products with the largest unsigned input that x86's `vpmaddubsw` would cut off at 16 bits."""
    even = weights[: len(weights) // 2 * 2]
    sums = 255 * (even[0::2] + even[1::2])
    return int(((sums > 32767) | (sums < -32768)).sum())


@pytest.mark.parametrize("quantiser", [Dynamic(), Static()], ids=lambda one: one.title)
def test_no_product_is_cut_off_where_the_processor_has_no_vnni(
    quantiser: Quantiser, exported: OnnxModel, feeds: list[Feed], tmp_path: Path
) -> None:
    cut_off = {}
    for name, flags in {"vnni": VNNI, "avx2": VNNI[:2]}.items():
        known = Circumstances(feeds=feeds, saturates=saturates(flags))
        small = quantiser.quantize(exported, tmp_path / f"{name}.onnx", known)
        matrices = int8_matrices(small.path)
        assert len(matrices) >= 12
        cut_off[name] = sum(map(pairs_cut_off, matrices))
    assert cut_off["avx2"] == 0
    assert cut_off["vnni"] > 0  # the fault is there to be avoided


def test_int8_weights_are_summed_in_float_without_vnni(exported: OnnxModel, tmp_path: Path) -> None:
    levels = {}
    for flags in (True, False):
        small = WeightsOnly().quantize(exported, tmp_path / "small.onnx", Circumstances(saturates=flags))
        levels[flags] = {
            attribute.i
            for node in onnx.load(str(small.path)).graph.node
            for attribute in node.attribute
            if attribute.name == "accuracy_level"
        }
    assert levels == {True: set(), False: {4}}  # left out is 0


@pytest.mark.parametrize(
    ("flags", "expected"),
    [
        (VNNI, False),
        (["avx2", "avx_vnni"], False),
        (["neon"], False),
        (["avx2", "avx512f", "avx512_bf16"], True),
        ([], True),  # not known
    ],
)
def test_the_instruction_set_tells_whether_products_may_be_cut_off(flags: list[str], expected: bool) -> None:
    assert saturates(flags) == expected


@pytest.mark.parametrize(
    "quantiser", [Dynamic(), Static(), WeightsOnly(bits=8), WeightsOnly(bits=4)], ids=lambda one: one.title
)
def test_nodes_that_are_to_stay_float_do(
    quantiser: Quantiser, exported: OnnxModel, feeds: list[Feed], tmp_path: Path
) -> None:
    every = weighted_nodes(onnx.load(str(exported.path)).graph)
    kept = {next(node.name for node in every if node.kind == kind) for kind in ("MatMul", "Gather")}
    known = Circumstances(feeds=feeds, keep_float=frozenset(kept))
    small = quantiser.quantize(exported, tmp_path / "small.onnx", known)
    left = {node.name for node in weighted_nodes(onnx.load(str(small.path)).graph)}
    assert kept <= left
    heads = (
        {node.name for node in every if node.kind == "Gemm"} if isinstance(quantiser, WeightsOnly) else set()
    )
    assert left == kept | heads


def test_the_embedding_table_is_small_in_every_form(
    exported: OnnxModel, feeds: list[Feed], tmp_path: Path
) -> None:
    for quantiser in QUANTISERS:
        small = quantiser.quantize(exported, tmp_path / "small.onnx", Circumstances(feeds=feeds))
        kinds = {
            tensor.data_type for tensor in onnx.load(str(small.path)).graph.initializer if 300 in tensor.dims
        }
        assert TensorProto.FLOAT not in kinds or isinstance(quantiser, WeightsOnly)  # scales of its blocks
        assert kinds


def test_a_node_error_is_that_of_rounding_by_hand(exported: OnnxModel, feeds: list[Feed]) -> None:
    """An embedding table: the error of 255 steps over its span, in plain numpy."""
    graph = onnx.load(str(exported.path))
    (node,) = [one for one in weighted_nodes(graph.graph) if one.shape == (300, 32)]
    (table,) = [numpy_helper.to_array(one) for one in graph.graph.initializer if one.name == node.weight]
    step = (table.max() - table.min()) / 255
    expected = step / np.sqrt(12) / np.sqrt(np.mean(table**2))  # of a uniform rounding error
    found = output_errors(graph, feeds[:1])
    assert found[node.name] == pytest.approx(expected, rel=0.05)
    assert set(found) == {one.name for one in weighted_nodes(graph.graph)}
    assert list(found.values()) == sorted(found.values(), reverse=True)  # worst first
