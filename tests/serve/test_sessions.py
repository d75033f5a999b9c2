"""How many sessions answer side by side."""

from pathlib import Path
from typing import Any

import pytest

import serve
from serve import sessions
from serve.encoding import Integers
from serve.errors import UserError
from serve.runtime import OnnxRuntime
from serve.session import Session
from serve.sessions import open_runtimes


def test_told_so_many_they_share_the_threads(bundle_folder: Path) -> None:
    def opened(threads: int) -> OnnxRuntime:
        return serve.load(bundle_folder, threads=threads)

    assert [one.threads for one in open_runtimes(opened, threads=4, workers=2)] == [2, 2]
    assert [one.threads for one in open_runtimes(opened, threads=1)] == [1]
    assert [one.threads for one in open_runtimes(opened, threads=1, workers=3)] == [1, 1, 1]


@pytest.mark.parametrize(
    ("alone", "per_second", "chosen"),
    [
        ({1: 1.0, 2: 1.1, 4: 1.2}, {1: 100, 2: 180, 4: 300}, 4),
        ({1: 1.0, 2: 1.1, 4: 3.0}, {1: 100, 2: 180, 4: 300}, 2),  # a lone text would wait three times as long
        ({1: 1.0, 2: 1.1, 4: 1.2}, {1: 100, 2: 105, 4: 110}, 1),  # not worth it
        ({1: 1.3, 2: 1.1, 4: 1.0}, {1: 100, 2: 180, 4: 300}, 4),
    ],
)
def test_the_most_that_cost_a_lone_text_little_and_answer_more(
    bundle_folder: Path,
    alone: dict[int, float],
    per_second: dict[int, float],
    chosen: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(sessions, "_alone_s", lambda runtime: alone[4 // runtime.threads])
    monkeypatch.setattr(sessions, "_per_second", lambda runtimes: per_second[len(runtimes)])
    found = open_runtimes(lambda threads: serve.load(bundle_folder, threads=threads), threads=4)
    assert [one.threads for one in found] == [4 // chosen] * chosen


@pytest.mark.parametrize(("threads", "workers"), [(0, None), (-1, None), (2, 0)])
def test_fewer_than_one_is_refused(bundle_folder: Path, threads: int, workers: int | None) -> None:
    with pytest.raises(UserError, match="at least 1"):
        open_runtimes(lambda threads: serve.load(bundle_folder, threads=threads), threads, workers)


def test_each_has_answered_before_anybody_asks(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    answered: set[int] = set()
    run = Session.run

    def noted(session: Session, arrays: dict[str, Integers]) -> Any:
        answered.add(id(session))
        return run(session, arrays)

    monkeypatch.setattr(Session, "run", noted)
    kept = open_runtimes(lambda threads: serve.load(bundle_folder, threads=threads), threads=2, workers=2)
    assert len(answered) == len(kept) == 2
