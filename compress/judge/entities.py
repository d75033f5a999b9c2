"""Entity F1 as seqeval gives it (strict mode, IOB2), on thousands of resamples at once.

Marks of labels and of answers are the tags of the same words, (rows, words), as numbers that say what scoring needs:
0 outside (and for padding), 2 t + 1 where an entity of type t begins, 2 t + 2 where it goes on. An entity counts where
its type, its first and its last word are right. seqeval's scores follow from three counts for each row (entities that
are right, given and there), so a bootstrap needs one matrix product.
"""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from compress.judge.family import Floats, Marks, Weights, sums_left_out

Codes = NDArray[np.int64]


class EntityScores:
    """`entity_f1` counts all entities alike (seqeval's micro average), `entity_macro_f1` is the mean over types."""

    names: tuple[str, ...] = ("entity_f1", "entity_macro_f1")
    lowest = 0.0

    def scores(self, metric: str, gold: Marks, answers: Marks, weights: Weights) -> Floats:
        """See `Family.scores`."""
        drawn = np.asarray(weights, np.float64)
        counts = _counts(metric, gold, answers)
        found = _f1(metric, drawn @ counts)
        return np.where(drawn.sum(axis=1) > 0, found, np.nan)

    def left_out(self, metric: str, gold: Marks, answers: Marks, counts: Weights) -> Floats:
        """See `Family.left_out`."""
        return _f1(metric, sums_left_out(_counts(metric, gold, answers), counts))


def tag_codes(names: Sequence[str]) -> Codes:
    """The number of each tag, (tags,); types are numbered in alphabetical order."""
    kinds = {
        kind: number for number, kind in enumerate(sorted({name[2:] for name in names if name[1:2] == "-"}))
    }
    return np.array(
        [2 * kinds[name[2:]] + (1 if name[0] == "B" else 2) if name[1:2] == "-" else 0 for name in names],
        dtype=np.int64,
    )


def entity_ends(codes: Codes) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Of every word where an entity begins its type and the place of its last word, else -1; each (rows, words).

    As seqeval reads IOB2 strictly: what goes on without a beginning of its own type is no entity.
    """
    kinds = np.full(codes.shape, -1, dtype=np.int64)
    ends = np.full(codes.shape, -1, dtype=np.int64)
    rows = np.arange(len(codes))
    began = np.full(len(codes), -1, dtype=np.int64)  # where the entity of the word before began
    kind = np.full(len(codes), -1, dtype=np.int64)
    for place in range(codes.shape[1]):
        code = codes[:, place]
        begins = code % 2 == 1
        goes_on = (code > 0) & ~begins & (began >= 0) & (kind == (code - 2) // 2)
        began = np.where(begins, place, np.where(goes_on, began, -1))
        kind = np.where(begins, (code - 1) // 2, kind)
        inside = began >= 0
        ends[rows[inside], began[inside]] = place
        kinds[rows[inside], began[inside]] = kind[inside]
    return kinds, ends


def _counts(metric: str, gold: Marks, answers: Marks) -> Floats:
    """Of each row entities that are right, there and given: (rows, 3), or type by type (rows, 3 types)."""
    truth, given = np.asarray(gold, np.int64), np.asarray(answers, np.int64)
    kinds, ends = entity_ends(truth)
    given_kinds, given_ends = entity_ends(given)
    right = np.where((ends == given_ends) & (kinds == given_kinds), kinds, -1)
    count = (
        1
        if metric == "entity_f1"
        else max(1, int(max(kinds.max(initial=-1), given_kinds.max(initial=-1))) + 1)
    )
    parts = []
    for part in (right, kinds, given_kinds):
        if count == 1 and metric == "entity_f1":
            parts.append((part >= 0).sum(axis=1)[:, None])
        else:
            parts.append(np.stack([(part == kind).sum(axis=1) for kind in range(count)], axis=1))
    return np.concatenate(parts, axis=1).astype(np.float64)


def _f1(metric: str, sums: Floats) -> Floats:
    """F1 = 2 right / (there + given); a type that is neither there nor given is left out of the mean, as in seqeval."""
    right, there, given = np.split(sums, 3, axis=-1)
    scored = _ratio(2 * right, there + given)
    if metric == "entity_f1":
        return np.asarray(scored[..., 0])
    return _ratio(scored.sum(axis=-1), ((there + given) > 0).sum(axis=-1).astype(np.float64))


def _ratio(numerator: Floats, denominator: Floats) -> Floats:
    """0 where the denominator is."""
    return np.divide(numerator, denominator, out=np.zeros_like(numerator), where=denominator > 0)
