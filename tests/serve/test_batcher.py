"""Requests that are answered together: nobody gets another's answer, and nobody waits for nothing."""

import asyncio
import threading
from collections.abc import Sequence
from pathlib import Path

import pytest
from served import Slow

from serve.batcher import Answered, Batcher, Caps
from serve.limits import Limits
from serve.refusal import Refusal
from serve.runtime import OnnxRuntime


def run(coroutine):
    return asyncio.run(coroutine)


@pytest.fixture
def slow(bundle_folder: Path) -> Slow:
    return Slow(bundle_folder)


def test_thousands_at_once_get_the_answers_that_they_get_alone(runtime: OnnxRuntime) -> None:
    words = ["good", "bad", "film", "plot", "warm", "cold", "the", "no", "actor", "ending", "grim", "wise"]
    asked = [
        [f"{words[i % 12]} {words[(i * 7) % 12]} {words[(i * 5) % 11]} {i}"] * (1 + i % 3)
        for i in range(2000)
    ]
    alone = {text: runtime.predict([text])[0] for texts in asked for text in texts}

    async def all_at_once() -> list[Answered]:
        batcher = Batcher([runtime, runtime], Limits(waiting_texts=10_000, waiting_tokens=10**6))
        found = await asyncio.gather(*(batcher.answer(texts) for texts in asked))
        assert batcher.waiting == (0, 0)
        await asyncio.to_thread(batcher.close)
        return found

    found = run(all_at_once())
    assert max(one.together for one in found) > 1
    for texts, one in zip(asked, found, strict=True):
        for text, answer in zip(texts, one.answers, strict=True):
            assert answer.label == alone[text].label
            assert answer.score == pytest.approx(alone[text].score, abs=1e-6)


def test_what_waits_is_taken_up_to_the_caps(slow: Slow) -> None:
    async def main() -> None:
        batcher = Batcher([slow], Limits(), Caps(texts=4, tokens=1000))
        first = asyncio.ensure_future(batcher.answer(["good"]))
        await asyncio.sleep(0.1)
        rest = [asyncio.ensure_future(batcher.answer(["good"] * count)) for count in (2, 2, 1, 6, 1)]
        await asyncio.sleep(0.1)
        slow.go.set()
        begun, *waited = await asyncio.gather(first, *rest)
        assert begun.queue_s < min(one.queue_s for one in waited)
        assert all(one.queue_s > 0.05 for one in waited)  # a tenth of a second was slept
        assert [one.together for one in waited] == [4, 4, 1, 6, 1]
        # A request is never torn apart, also where it is larger than the cap.
        assert slow.answered == [1, 4, 1, 6, 1]
        await asyncio.to_thread(batcher.close)

    run(main())


@pytest.mark.parametrize(("everybody", "own"), [(20, 0.05), (1, 20), (1, None)])
def test_a_deadline_that_passed_is_not_computed(slow: Slow, everybody: float, own: float | None) -> None:
    """The shorter of the client's and the server's: no client keeps a place longer than the server lets anybody."""

    async def main() -> None:
        batcher = Batcher([slow], Limits(seconds=everybody))
        first = asyncio.ensure_future(batcher.answer(["good"]))
        while not slow.running:  # it is taken before any deadline
            await asyncio.sleep(0.01)
        second = asyncio.ensure_future(batcher.answer(["good"], seconds=own))
        await asyncio.sleep(min(everybody, own or everybody) + 0.1)
        slow.go.set()
        await first
        with pytest.raises(Refusal) as refused:
            await second
        assert refused.value.status == 504
        assert slow.answered == [1]
        assert batcher.waiting == (0, 0)
        await asyncio.to_thread(batcher.close)

    run(main())


def test_what_is_cancelled_leaves_its_place_and_is_not_computed(slow: Slow) -> None:
    async def main() -> None:
        batcher = Batcher([slow], Limits(waiting_texts=3))
        first = asyncio.ensure_future(batcher.answer(["good"]))
        await asyncio.sleep(0.1)
        for _ in range(5):
            leaving = asyncio.ensure_future(batcher.answer(["good", "bad"]))
            await asyncio.sleep(0.02)
            leaving.cancel()
            await asyncio.sleep(0.02)
        assert batcher.waiting[0] == 1
        slow.go.set()
        await first
        assert slow.answered == [1]
        assert batcher.waiting == (0, 0)
        await asyncio.to_thread(batcher.close)

    run(main())


@pytest.mark.parametrize(("limits", "asked"), [({"waiting_texts": 3}, 3), ({"waiting_tokens": 8}, 2)])
def test_one_rule_for_single_and_batched(slow: Slow, limits: dict[str, int], asked: int) -> None:
    """A text counts as one, however it comes; tokens count as well. `good` has three of them."""

    async def main() -> None:
        batcher = Batcher([slow], Limits(**limits))
        first = asyncio.ensure_future(batcher.answer(["good"]))
        await asyncio.sleep(0.1)
        with pytest.raises(Refusal) as refused:
            await batcher.answer(["good"] * asked)
        assert refused.value.status == 429
        waiting = asyncio.ensure_future(batcher.answer(["good"]))
        slow.go.set()
        await asyncio.gather(first, waiting)
        assert batcher.waiting == (0, 0)
        await asyncio.to_thread(batcher.close)

    run(main())


def test_a_lone_request_over_the_room_is_answered(runtime: OnnxRuntime) -> None:
    """What one request may have is another limit; nobody is in its way."""

    async def main() -> None:
        batcher = Batcher([runtime], Limits(waiting_texts=2, waiting_tokens=2))
        assert len((await batcher.answer(["good"] * 5)).answers) == 5
        await asyncio.to_thread(batcher.close)

    run(main())


def test_a_request_of_too_many_tokens_is_refused_busy_or_not(slow: Slow) -> None:
    """`good` has three of them."""

    async def main() -> None:
        batcher = Batcher([slow], Limits(tokens=6))
        slow.go.set()
        for texts in (3, 40):
            with pytest.raises(Refusal, match=f"{3 * texts} tokens in one request; at most 6") as refused:
                await batcher.answer(["good"] * texts)
            assert refused.value.status == 413
            assert batcher.waiting == (0, 0)
        assert len((await batcher.answer(["good"] * 2)).answers) == 2
        await asyncio.to_thread(batcher.close)

    run(main())


def test_one_bad_request_does_not_fail_its_neighbours(runtime: OnnxRuntime) -> None:
    release = threading.Event()

    class Poisoned:
        tokens = runtime.tokens

        def answers_of(self, encodings: Sequence) -> list:
            release.wait(20)
            if any("awful" in encoding.tokens for encoding in encodings):
                raise ValueError("poison")
            return runtime.answers_of(encodings)

    async def main() -> None:
        batcher = Batcher([Poisoned()], Limits())
        asked = [asyncio.ensure_future(batcher.answer([text])) for text in ("good", "fine", "awful", "warm")]
        await asyncio.sleep(0.1)
        release.set()
        found = await asyncio.gather(*asked, return_exceptions=True)
        assert [type(one) for one in found] == [Answered, Answered, ValueError, Answered]
        await asyncio.to_thread(batcher.close)

    run(main())


def test_closing_answers_what_was_taken_and_takes_nothing_more(slow: Slow) -> None:
    async def main() -> None:
        batcher = Batcher([slow], Limits())
        asked = [asyncio.ensure_future(batcher.answer(["good"])) for _ in range(5)]
        await asyncio.sleep(0.1)
        closing = asyncio.ensure_future(asyncio.to_thread(batcher.close))
        await asyncio.sleep(0.1)
        with pytest.raises(Refusal) as refused:
            await batcher.answer(["good"])
        assert refused.value.status == 503
        slow.go.set()
        assert len(await asyncio.gather(*asked)) == 5
        await closing

    run(main())


@pytest.mark.parametrize(("waiting", "least"), [(12, 2), (400, 30)])
def test_who_is_turned_away_is_told_when_to_come_again(slow: Slow, waiting: int, least: int) -> None:
    async def main() -> None:
        batcher = Batcher([slow], Limits(waiting_texts=waiting), Caps(texts=1))
        first = asyncio.create_task(batcher.answer(["good"]))
        await asyncio.sleep(0.2)
        slow.go.set()
        await first  # three tokens in a fifth of a second: at most 15 a second
        slow.go.clear()
        others = [asyncio.create_task(batcher.answer(["good"])) for _ in range(waiting)]
        await asyncio.sleep(0.1)
        with pytest.raises(Refusal) as refused:
            await batcher.answer(["good"])
        assert (
            least <= refused.value.retry_after_s <= 30
        )  # what waits, at that pace, and no more than half a minute
        slow.go.set()
        await asyncio.gather(*others)
        await asyncio.to_thread(batcher.close)

    run(main())
