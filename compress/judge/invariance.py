"""Whether an answer depends on anything but its text: neighbours, padding, order, the number of threads.

Everything is held against the text answered alone, through the runtime that ships. A model whose answers
depend on the batch is run text by text (`serve.bundle.Manifest.batching`), so for it a call with many texts must
change nothing; what true batches would have changed is measured beside it and not counted.
"""

from collections.abc import Callable, Iterator, Sequence

import numpy as np

from compress.judge.metrics import Floats
from compress.judge.report import Invariance, InvarianceCase
from compress.tasks import SINGLE_LABEL, Task
from serve.inputs import Input, characters
from serve.predictor import Predictor
from serve.tasks import Answer
from serve.threads import available_threads

ROWS = 200  # of the reported rows, at most: every one is answered about eight times
Open = Callable[[int], Predictor]  # the model that ships, answering with this many threads
Stacked = Callable[[Sequence[Answer]], Floats]


def invariance(
    shipped: Open,
    batched: Open | None,
    texts: Sequence[Input],
    labels: Sequence[str],
    *,
    seed: int,
    threads: Sequence[int] | None = None,
    task: Task = SINGLE_LABEL,
) -> Invariance:
    """Every case's largest change in a probability and its flips, over the texts.

    `batched` is the same file in true batches, where what ships answers text by text; else None. The first
    of `threads` (all that this process may use, then one and two, unless given) answers the texts alone; the
    others repeat it. Raises ValueError without texts.
    """
    if not texts:
        raise ValueError("expected texts")
    most, *others = threads or thread_counts()
    runtime = shipped(most)

    def stacked(answers: Sequence[Answer]) -> Floats:
        return task.stack(answers, labels)

    alone = _alone(runtime, texts, stacked)
    cases = []
    flipped: set[int] = set()
    for counted, answers in (
        (True, _in_company(runtime, texts, stacked, seed)),
        (False, _in_company(batched(most), texts, stacked, seed) if batched else iter(())),
        (True, _with_threads(shipped, others, texts, stacked)),
    ):
        for name, found in answers:
            rows = np.flatnonzero(task.changed(alone, found))
            if counted:
                flipped.update(rows.tolist())
            cases.append(
                InvarianceCase(
                    name=name if counted else f"true batches: {name}",
                    counted=counted,
                    largest_change=task.largest_change(alone, found),
                    flips=len(rows),
                )
            )
    return Invariance(
        rows=len(texts),
        batching="batch" if batched is None else "one_by_one",
        threads=most,
        cases=cases,
        flips=len(flipped),
    )


def thread_counts() -> list[int]:
    """All threads that this process may use, one, and two; each once."""
    return list(dict.fromkeys([available_threads(), 1, 2]))


def _alone(predictor: Predictor, texts: Sequence[Input], stacked: Stacked) -> Floats:
    return stacked([predictor.predict([text])[0] for text in texts])


def _in_company(
    predictor: Predictor, texts: Sequence[Input], stacked: Stacked, seed: int
) -> Iterator[tuple[str, Floats]]:
    """The texts in one call, beside one long text each, and in one call in another order."""

    def answered(asked: Sequence[Input]) -> Floats:
        return stacked(predictor.predict(asked))

    yield "all in one call", answered(texts)
    longest = max(texts, key=characters)
    yield (
        "padded beside the longest text",
        stacked([predictor.predict([text, longest])[0] for text in texts]),
    )
    order = np.random.default_rng(seed).permutation(len(texts))
    found: list[Answer | None] = [None] * len(texts)
    # In calls of eight, so that the neighbours are others as well as the places.
    for start in range(0, len(order), 8):
        places = order[start : start + 8]
        for place, answer in zip(
            places, predictor.predict([texts[int(place)] for place in places]), strict=True
        ):
            found[place] = answer
    yield "in another order, eight in a call", stacked([answer for answer in found if answer is not None])


def _with_threads(
    shipped: Open, counts: Sequence[int], texts: Sequence[Input], stacked: Stacked
) -> Iterator[tuple[str, Floats]]:
    for count in counts:
        yield f"alone, {count} thread{'s' * (count > 1)}", _alone(shipped(count), texts, stacked)
