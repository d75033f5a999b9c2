"""What ships answers a text as it answers it alone; a graph that looks at its neighbours is caught."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import pytest
from batch_graphs import depend_on_the_batch

from compress.judge.gates import Thresholds, judge
from compress.judge.invariance import Open, invariance
from compress.judge.report import Fidelity, Invariance
from serve.runtime import OnnxRuntime
from serve.tasks import Answer
from serve.tasks.text_classification import answers

LABELS = ["negative", "positive"]
WORDS = ["good", "fine", "bad", "dull", "film", "music", "the", "plot", "cold"]
FIDELITY = Fidelity(
    rows=40, retention=1, retention_ci=(0.9, 1.1), agreement=1, agreement_ci=(0.9, 1), kl=0,
    ece_teacher=0, ece_student=0,
)  # fmt: skip


def texts() -> list[str]:
    random = np.random.default_rng(0)
    return [" ".join(random.choice(WORDS, size=random.integers(1, 12))) for _ in range(40)]


def opened(folder: Path, batching: str) -> Open:
    def open_with(threads: int) -> OnnxRuntime:
        return OnnxRuntime.from_files(
            folder / "onnx/model.onnx", folder / "tokenizer.json", LABELS, batching=batching, threads=threads
        )  # type: ignore[arg-type]

    return open_with


@pytest.fixture(scope="module")
def faulty(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("faulty") / "bundle"
    shutil.copytree(bundle_folder, folder)
    depend_on_the_batch(folder / "onnx/model.onnx")
    return folder


def cases(found: Invariance) -> dict[str, tuple[bool, int]]:
    return {case.name: (case.counted, case.flips) for case in found.cases}


def test_a_model_that_looks_at_its_text_alone_answers_the_same_in_every_company(bundle_folder: Path) -> None:
    found = invariance(opened(bundle_folder, "batch"), None, texts(), LABELS, seed=0, threads=[2, 1, 4])
    assert cases(found) == {
        "all in one call": (True, 0),
        "padded beside the longest text": (True, 0),
        "in another order, eight in a call": (True, 0),
        "alone, 1 thread": (True, 0),
        "alone, 4 threads": (True, 0),
    }
    assert found.flips == 0
    assert max(case.largest_change for case in found.cases) < 1e-5
    (gate,) = judge(Thresholds(max_invariance_flips=0), FIDELITY, None, 1.0, found)
    assert (gate.status, gate.ci) == ("pass", None)
    assert gate.message == "max_invariance_flips met: 0 of 40 answers change, at most 0"


def test_a_graph_that_takes_the_largest_of_the_batch_is_caught(faulty: Path) -> None:
    found = invariance(opened(faulty, "batch"), None, texts(), LABELS, seed=0, threads=[1, 2])
    changed = {case.name for case in found.cases if case.largest_change > 0.1}
    assert changed == {
        "all in one call",
        "padded beside the longest text",
        "in another order, eight in a call",
    }
    assert found.flips > 0
    (gate,) = judge(Thresholds(max_invariance_flips=found.flips - 1), FIDELITY, None, 1.0, found)
    assert gate.status == "fail"
    assert f"missed: {found.flips} of 40 answers change" in gate.message
    assert gate.message.endswith(f"more than {found.flips - 1}")


def test_text_by_text_it_is_right_and_the_table_says_what_batches_would_have_changed(faulty: Path) -> None:
    found = invariance(
        opened(faulty, "one_by_one"), opened(faulty, "batch"), texts(), LABELS, seed=0, threads=[1]
    )
    assert (found.batching, found.flips) == ("one_by_one", 0)
    batches = {case.name: case for case in found.cases if not case.counted}
    assert set(batches) == {
        "true batches: all in one call",
        "true batches: padded beside the longest text",
        "true batches: in another order, eight in a call",
    }
    assert all(case.largest_change > 0.1 for case in batches.values())
    assert all(case.largest_change == 0 for case in found.cases if case.counted)


class Threaded:
    """Answers otherwise with four threads, on every tenth text."""

    def __init__(self, threads: int) -> None:
        self.threads = threads

    def predict(self, inputs: Sequence[str]) -> list[Answer]:
        logits = np.array([[2.0, 0.0]] * len(inputs), dtype=np.float32)
        if self.threads == 4:
            logits[[text.endswith("0") for text in inputs]] = [0.0, 2.0]
        return answers(logits, LABELS, [1] * len(inputs), [False] * len(inputs))


def test_rows_are_counted_once_and_threads_count() -> None:
    asked = [f"text {number}" for number in range(40)]
    found = invariance(Threaded, None, asked, LABELS, seed=0, threads=[2, 4, 4])
    assert [case.flips for case in found.cases if "threads" in case.name] == [4, 4]
    assert found.flips == 4


def test_what_was_not_asked_of_the_model_is_inconclusive() -> None:
    (gate,) = judge(Thresholds(max_invariance_flips=0), FIDELITY, None, 1.0)
    assert gate.status == "inconclusive"
    assert "was not measured" in gate.message
