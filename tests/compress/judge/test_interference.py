import os
import subprocess
import sys
import time
from types import SimpleNamespace

import psutil
import pytest

from compress.judge import interference
from compress.judge.interference import BUSY, Counters, others_share, read


def spin(seconds: float) -> None:
    end = time.perf_counter() + seconds
    while time.perf_counter() < end:
        pass


def test_share_is_what_is_left_of_the_machine_without_us() -> None:
    before = Counters(wall_s=10, machine_s=100, own_s=5, cores=2)
    after = Counters(wall_s=12, machine_s=103, own_s=7, cores=2)
    assert others_share(before, after) == pytest.approx(1 / 4)


def test_share_stays_between_0_and_1_when_counters_disagree() -> None:
    before = Counters(wall_s=0, machine_s=0, own_s=0, cores=1)
    assert others_share(before, Counters(wall_s=1, machine_s=0.98, own_s=1, cores=1)) == 0
    assert others_share(before, Counters(wall_s=1, machine_s=5, own_s=0, cores=1)) == 1
    assert others_share(before, before) == 0


def test_stolen_time_is_use_by_others_and_waiting_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    cores = [
        SimpleNamespace(
            user=1.0,
            nice=0.0,
            system=0.5,
            idle=70.0,
            iowait=9.0,
            irq=0.0,
            softirq=0.0,
            steal=2.0,
            guest=0.7,
            guest_nice=0.0,
        )
    ]
    monkeypatch.setattr(psutil, "cpu_times", lambda percpu: cores)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0}, raising=False)
    assert read().machine_s == pytest.approx(3.5)
    assert read().cores == 1


def test_cores_that_we_may_not_use_do_not_count(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(
        psutil, "cpu_times", lambda percpu: [SimpleNamespace(user=used) for used in (1.0, 20.0, 300.0)]
    )
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: {0, 2}, raising=False)
    assert (read().machine_s, read().cores) == (301.0, 2)


def test_our_own_work_and_our_childrens_is_not_interference() -> None:
    """Seen in our own counter, so that it does not matter what else the machine does meanwhile."""
    before = read()
    spin(0.3)
    spun = read()
    child = [sys.executable, "-c", "import time\nwhile time.process_time() < 0.3: pass\ninput()"]
    with subprocess.Popen(child, stdin=subprocess.PIPE) as process:
        deadline = time.perf_counter() + 20
        while read().own_s - spun.own_s < 0.25 and time.perf_counter() < deadline:
            time.sleep(0.05)
        running = read()
        process.communicate(b"\n")
    ended = read()
    assert spun.own_s - before.own_s > 0.05
    assert running.own_s - spun.own_s >= 0.25
    assert ended.own_s >= running.own_s - 0.05  # counted once more where it ended, and not lost


def test_a_stranger_that_works_is_seen(monkeypatch: pytest.MonkeyPatch) -> None:
    """A real busy neighbour: a child that is not counted as ours stands in for a stranger."""
    monkeypatch.setattr(interference, "_own_seconds", time.process_time)
    with subprocess.Popen([sys.executable, "-c", "while True: pass"]) as neighbour:
        before = read()
        time.sleep(0.8)
        share = others_share(before, read())
        neighbour.kill()
    # One whole core if it got one; on a crowded machine the others are busy all the same.
    assert share > min(BUSY, 0.5 / read().cores)
