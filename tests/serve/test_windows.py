"""What tasks with several outputs, a number for each token and windows over long texts get from the runtime."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, ClassVar, Literal

import pytest
from onnx import TensorProto, helper, save

from serve.bundle import read
from serve.errors import BundleError
from serve.runtime import OnnxRuntime
from serve.tasks import Answer, Answering, Read, Tokens
from serve.tasks.answering import Output, Outputs


@dataclass(frozen=True)
class Found:
    """Every token's id twice, as the two outputs gave it, with its place in the text."""

    words: list[tuple[str, int, int]]
    windows: int
    tokens: int
    truncated: bool
    label: str = "found"
    score: float = 1.0
    probabilities: ClassVar[dict[str, float]] = {}
    logits: ClassVar[Sequence[float]] = ()

    def told(self, top_k: int | None = None, *, raw: bool = False) -> Any:
        return self.words


class Echo(Answering):
    """The graph gives back what it was given: ids as `start`, and twice them as `ends`, (tokens, 2)."""

    kind: Literal["echo"] = "echo"
    READS_WINDOWS: ClassVar[bool] = True

    @property
    def stride(self) -> int:
        return 2

    def outputs(self, labels: int) -> tuple[Output, ...]:
        return (
            Output("start", per_token=True),
            Output("ends", per_token=True, width=2),
            Output("pooled", width=1),
        )

    def answers(self, asked: Sequence[Tokens], outputs: Outputs, labels: Sequence[str]) -> list[Answer]:
        answers: list[Answer] = []
        place = 0
        for one in asked:
            assert isinstance(one, Read)
            words = {}
            for window in one.windows:
                start, ends = outputs["start"][place], outputs["ends"][place]
                assert start.tolist() == window.ids  # its own row, without the padding of its batch
                assert ends.tolist() == [[number, 2 * number] for number in window.ids]
                assert outputs["pooled"][place].tolist() == [sum(window.ids)]
                place += 1
                for (low, high), special in zip(window.offsets, window.special_tokens_mask, strict=True):
                    if not special:
                        words[low] = (str(one.asked)[low:high], low, high)
            answers.append(Found(list(words.values()), len(one.windows), len(one.ids), truncated=False))
        return answers


@pytest.fixture
def runtime(bundle_folder: Path, tmp_path: Path) -> OnnxRuntime:
    node = helper.make_node
    nodes = [
        node("Cast", ["input_ids"], ["start"], to=TensorProto.FLOAT),
        node("Add", ["start", "start"], ["twice"]),
        node("Unsqueeze", ["start", "last"], ["one"]),
        node("Unsqueeze", ["twice", "last"], ["two"]),
        node("Concat", ["one", "two"], ["ends"], axis=-1),
        node("Cast", ["attention_mask"], ["mask"], to=TensorProto.FLOAT),
        node("Mul", ["start", "mask"], ["attended"]),
        node("ReduceSum", ["attended", "tokens"], ["pooled"], keepdims=1),
    ]
    ids = [
        helper.make_tensor_value_info(name, TensorProto.INT64, ["b", "t"])
        for name in ("input_ids", "attention_mask")
    ]
    shapes = {"start": ["b", "t"], "ends": ["b", "t", 2], "pooled": ["b", 1]}
    given = [helper.make_tensor_value_info(name, TensorProto.FLOAT, shape) for name, shape in shapes.items()]
    constants = [
        helper.make_tensor(name, TensorProto.INT64, [1], [value])
        for name, value in (("last", -1), ("tokens", 1))
    ]
    graph = helper.make_graph(nodes, "echo", ids, given, constants)
    save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8),
        tmp_path / "echo.onnx",
    )
    tokenizer = read(bundle_folder).tokenizer_path
    return OnnxRuntime.from_files(
        tmp_path / "echo.onnx", tokenizer, ["a"], batching="batch", answering=Echo()
    )


def test_a_long_text_is_read_to_its_end_with_places_in_the_original(runtime: OnnxRuntime) -> None:
    text = "  the  film was good and the plot was dull but " + "the music of it was warm, " * 9
    short, long, empty = runtime.predict(["A Film", text, ""])
    assert isinstance(long, Found)
    assert isinstance(short, Found)
    assert long.windows > 3
    assert [word for word, _, _ in long.words] == text.replace(",", " ,").split()
    assert all(text[low:high] == word for word, low, high in long.words)
    assert short.words == [("A", 0, 1), ("Film", 2, 6)]
    assert (short.windows, empty.truncated) == (1, False)


def test_windows_overlap_and_count_as_what_they_cost(runtime: OnnxRuntime) -> None:
    (asked,) = runtime.tokens(["the film was " * 10])
    assert isinstance(asked, Read)
    first, second = asked.windows[:2]
    assert len(asked.ids) == sum(len(window.ids) for window in asked.windows) > 30
    assert first.ids[-3:-1] == second.ids[1:3]  # [CLS] before, [SEP] after


def test_a_graph_without_the_tasks_outputs_is_refused(bundle_folder: Path) -> None:
    bundle = read(bundle_folder)
    with pytest.raises(BundleError, match=r"an output 'start' of shape \(texts, tokens\)"):
        OnnxRuntime.from_files(
            bundle.model_path, bundle.tokenizer_path, ["a"], batching="batch", answering=Echo()
        )
