"""Seeded, stratified cuts of a list of rows."""

from typing import Any

import numpy as np
from numpy.typing import NDArray

from compress.data.rows import Rows

_TENTHS = 10


def cut(rows: Rows, count: int, seed: int) -> tuple[Rows, Rows]:
    """`rows` without about `count` of them, and those; every label keeps its share. Both keep their order.

    A label gives rows in proportion, at least one where it has two or more, and never its last one.
    """
    generator = np.random.default_rng(seed)
    chosen = np.zeros(len(rows), dtype=bool)
    for group in _groups(rows):
        share = round(len(group) * count / len(rows))
        share = min(max(share, 1 if len(group) > 1 else 0), len(group) - 1)
        chosen[generator.permutation(group)[:share]] = True
    return rows.take(np.flatnonzero(~chosen)), rows.take(np.flatnonzero(chosen))


def sample(rows: Rows, count: int, seed: int) -> Rows:
    """About `count` rows, every label in its share; all of them when there are no more."""
    return rows if count >= len(rows) else cut(rows, count, seed)[1]


def _groups(rows: Rows) -> list[NDArray[np.int64]]:
    if rows.labels is None:
        return [np.arange(len(rows), dtype=np.int64)]
    strata = _strata(rows.labels)
    return [np.flatnonzero(strata == one) for one in np.unique(strata)]


def _strata(labels: NDArray[Any]) -> NDArray[Any]:
    """What each row counts as, (rows,): its label; of numbers their tenth; of several labels the rarest that it has."""
    if labels.ndim == 1 and labels.dtype.kind != "f":
        return labels
    if labels.ndim == 1:
        edges = np.quantile(labels, np.linspace(0, 1, _TENTHS + 1)[1:-1])
        return np.searchsorted(edges, labels, side="right")
    if labels.ndim == 2 and labels.dtype.kind == "f":
        rarest_first = np.argsort(labels.sum(axis=0), kind="stable")
        has = labels[:, rarest_first] > 0
        return np.where(has.any(axis=1), has.argmax(axis=1), -1)
    return np.zeros(len(labels), dtype=np.int64)
