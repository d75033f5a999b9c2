"""A teacher beside the student: a sample compared in the background, or the answers in doubt."""

import asyncio
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient
from prometheus_client import CollectorRegistry
from served import NAME, make_models

from serve.batcher import Answered
from serve.endpoint import create_app
from serve.errors import UserError
from serve.metrics import Metrics
from serve.refusal import Refusal
from serve.runtime import OnnxRuntime
from serve.tasks import Answer
from serve.teacher import Cascade, Shadow, check_labels, divergence

TEXTS = [
    "a good film",
    "awful music, flat ending",
    "it was cold but lovely",
    "no plot",
    "the",
    "warm but grim",
]


class Opposite:
    """A teacher that always says the other label, with its labels in another order."""

    def __init__(self, runtime: OnnxRuntime) -> None:
        self._runtime = runtime
        self.asked: list[str] = []
        self.allowed: list[float | None] = []  # seconds, call by call
        self.busy = False

    async def answer(self, texts: list[str], seconds: float | None = None) -> Answered:
        await asyncio.sleep(0)
        if self.busy:
            raise Refusal(429, "overloaded", "Try again.")
        self.asked += texts
        self.allowed.append(seconds)
        return Answered([turned(one) for one in self._runtime.predict(texts)], 0.0, 0.0, 0.5, len(texts))


def turned(answer: Answer) -> Answer:
    (one, p), (other, q) = answer.probabilities.items()
    return replace(answer, label=other if answer.label == one else one, probabilities={other: p, one: q})


def value(registry: CollectorRegistry, name: str) -> float:
    found = registry.get_sample_value(name)
    assert found is not None
    return found


def test_the_shadow_changes_nothing_and_counts(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    async def main() -> None:
        metrics = Metrics()
        model = make_models(bundle_folder, metrics).first
        teacher = Opposite(runtime)
        model.shadow = Shadow(teacher, 1.0, metrics.registry)
        found = await model.answer(TEXTS)
        assert [one.label for one in found.answers] == [one.label for one in runtime.predict(TEXTS)]
        await asyncio.sleep(0.1)
        assert teacher.asked == TEXTS
        assert value(metrics.registry, "compress_shadow_texts_total") == len(TEXTS)
        assert value(metrics.registry, "compress_shadow_agreed_total") == 0
        assert len(model.shadow.log) == len(TEXTS)
        assert all(one.text is None and one.student != one.teacher for one in model.shadow.log)
        teacher.busy = True
        await model.answer(TEXTS)
        await asyncio.sleep(0.1)
        assert value(metrics.registry, "compress_shadow_let_go_total") == len(TEXTS)
        await asyncio.to_thread(model.close)

    asyncio.run(main())


def test_a_share_is_a_share_and_texts_are_kept_when_asked(runtime: OnnxRuntime) -> None:
    async def main() -> None:
        registry = CollectorRegistry()
        teacher = Opposite(runtime)
        shadow = Shadow(teacher, 0.2, registry, keep_texts=True, seed=1)
        answers = runtime.predict(["good"])
        for _ in range(500):
            shadow.look(["good"], answers)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
        await asyncio.sleep(0.1)
        assert 70 < value(registry, "compress_shadow_texts_total") < 130
        assert {one.text for one in shadow.log} == {"good"}

    asyncio.run(main())


class Same(Opposite):
    """A teacher that says what the student says."""

    async def answer(self, texts: list[str], seconds: float | None = None) -> Answered:
        await asyncio.sleep(0)
        self.asked += texts
        return Answered(self._runtime.predict(texts), 0.0, 0.0, 0.0, len(texts))


@pytest.mark.parametrize("share", [0.0, 0.5, 1.0])
def test_each_text_of_a_batch_is_drawn_by_itself_and_stays_with_its_answer(
    runtime: OnnxRuntime, share: float
) -> None:
    answers = runtime.predict(TEXTS)
    assert len({one.label for one in answers}) > 1

    async def main() -> None:
        registry = CollectorRegistry()
        teacher = Same(runtime)
        shadow = Shadow(teacher, share, registry)
        sizes = []
        for _ in range(200):
            before = len(teacher.asked)
            shadow.look(TEXTS, answers)
            await asyncio.sleep(0.001)
            sizes.append(len(teacher.asked) - before)
        compared = value(registry, "compress_shadow_texts_total")
        assert compared == len(teacher.asked)
        assert value(registry, "compress_shadow_agreed_total") == compared
        assert value(registry, "compress_shadow_kl_nats_sum") == pytest.approx(0, abs=1e-6)
        assert value(registry, "compress_shadow_let_go_total") == 0
        if share in (0, 1):
            assert set(sizes) == {share * len(TEXTS)}
        else:  # binomial: six standard deviations around the mean
            assert abs(compared - 200 * 6 * share) < 6 * (200 * 6 * share * (1 - share)) ** 0.5
            assert set(sizes) >= {1, 2, 3, 4, 5}

    asyncio.run(main())


def test_the_log_of_disagreements_keeps_the_last_two_hundred(runtime: OnnxRuntime) -> None:
    async def main() -> None:
        registry = CollectorRegistry()
        shadow = Shadow(Opposite(runtime), 1.0, registry, keep_texts=True)
        for number in range(230):
            shadow.look([f"good {number}"], runtime.predict(["good"]))
            while value(registry, "compress_shadow_texts_total") <= number:
                await asyncio.sleep(0)
        assert [one.text for one in shadow.log] == [f"good {number}" for number in range(30, 230)]

    asyncio.run(main())


def test_a_teacher_that_is_slow_is_not_waited_for(runtime: OnnxRuntime) -> None:
    class Stuck:
        async def answer(self, texts: list[str], seconds: float | None = None) -> Answered:
            await asyncio.sleep(60)
            raise AssertionError

    async def main() -> None:
        registry = CollectorRegistry()
        shadow = Shadow(Stuck(), 1.0, registry)
        for _ in range(200):
            shadow.look(["good"], runtime.predict(["good"]))
        assert value(registry, "compress_shadow_let_go_total") == 200 - 64

    asyncio.run(main())


@pytest.mark.parametrize("below", [0.0, 0.7, 1.01])
def test_the_cascade_hands_on_what_is_in_doubt(
    bundle_folder: Path, runtime: OnnxRuntime, below: float
) -> None:
    expected = runtime.predict(TEXTS)
    doubtful = [text for text, one in zip(TEXTS, expected, strict=True) if one.score < below]
    assert below != 0.7 or 0 < len(doubtful) < len(TEXTS)

    async def main() -> None:
        metrics = Metrics()
        model = make_models(bundle_folder, metrics).first
        teacher = Opposite(runtime)
        model.cascade = Cascade(teacher, below, metrics.registry)
        found = await model.answer(TEXTS, 7.5)
        assert teacher.asked == doubtful
        assert teacher.allowed == [7.5] * bool(doubtful)  # the client's deadline is the teacher's too
        assert (found.infer_s >= 0.5) == bool(doubtful)  # its time is in the answer's headers
        for text, one, own in zip(TEXTS, found.answers, expected, strict=True):
            assert list(one.probabilities) == list(runtime.labels)  # in the student's order
            assert (one.label != own.label) == (text in doubtful)
            assert one.probabilities == pytest.approx(
                own.probabilities if text not in doubtful else turned(own).probabilities
            )
        assert value(metrics.registry, "compress_cascade_texts_total") == len(TEXTS)
        assert value(metrics.registry, "compress_cascade_handed_on_total") == len(doubtful)
        assert value(metrics.registry, "compress_cascade_seconds_total") == (0.5 if doubtful else 0)
        await asyncio.to_thread(model.close)

    asyncio.run(main())


def test_the_divergence_is_that_of_the_formula(runtime: OnnxRuntime) -> None:
    import numpy as np

    teacher, student = runtime.predict(["a good film", "no plot"])
    p, q = (np.array(list(one.probabilities.values())) for one in (teacher, student))
    assert divergence(teacher, student) == pytest.approx(float((p * np.log(p / q)).sum()), abs=1e-9)
    assert divergence(teacher, teacher) == 0


def test_other_labels_are_refused() -> None:
    check_labels(["a", "b"], ["b", "a"])
    with pytest.raises(UserError, match="other labels than the student's: c"):
        check_labels(["a", "b"], ["a", "b", "c"])


def test_the_command_line_puts_a_teacher_beside(bundle_folder: Path) -> None:
    from serve.server import Beside, Serving, _put_beside

    metrics = Metrics()
    models = make_models(bundle_folder, metrics, names=(NAME,))
    asked = Serving({NAME: bundle_folder}, threads=1, workers=1)
    _put_beside(models.first, asked, Beside(bundle_folder, below=0.5), metrics)
    assert models.first.cascade is not None
    assert models.first.shadow is None
    models.close()


@pytest.mark.parametrize(
    ("given", "expected"), [({}, (0.05, False)), ({"share": 0.25, "keep_texts": True}, (0.25, True))]
)
def test_a_shadow_looks_at_the_share_that_was_asked_for(
    bundle_folder: Path,
    given: dict[str, Any],
    expected: tuple[float, bool],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from serve.server import Beside, Serving, _put_beside

    made = []

    def shadow(_: object, share: float, __: object, *, keep_texts: bool = False) -> None:
        made.append((share, keep_texts))

    monkeypatch.setattr("serve.server.Shadow", shadow)
    metrics = Metrics()
    models = make_models(bundle_folder, metrics)
    asked = Serving({NAME: bundle_folder}, threads=1, workers=1)
    _put_beside(models.first, asked, Beside(bundle_folder, **given), metrics)
    assert made == [expected]
    models.close()


def test_the_disagreements_can_be_read(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    metrics = Metrics()
    models = make_models(bundle_folder, metrics)
    models.first.shadow = Shadow(Opposite(runtime), 1.0, metrics.registry)
    with TestClient(create_app(models, metrics), "http://localhost") as client:
        client.post("/predict", json={"inputs": "a good film"})
        time.sleep(0.2)
        (found,) = client.get("/shadow").json()
    assert (found["student"], found["teacher"], found["text"]) == ("positive", "negative", None)
