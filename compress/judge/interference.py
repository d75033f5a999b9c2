"""How much of the processor others used while we measured.

A busy neighbour does not slow both sides of a comparison alike (it starves the barriers between threads), so
a ratio that was taken beside one is not noisy, it is wrong.
"""

import os
import time
from collections.abc import Callable
from dataclasses import dataclass

import psutil

BUSY = 0.1  # share of the processor in others' hands, above which a measurement is dropped

# What /proc/stat counts as work. Time of guests is already in `user`; stolen time is time that another
# virtual machine had of our cores, so it is others' use although no process here shows it.
_WORK = ("user", "nice", "system", "irq", "softirq", "steal")


@dataclass(frozen=True, slots=True)
class Counters:
    """Running totals at one moment, in seconds."""

    wall_s: float
    machine_s: float  # processor time of everything on the cores that we may use, stolen time included
    own_s: float  # processor time of this process and its children
    cores: int


Read = Callable[[], Counters]


def read() -> Counters:
    """The counters now. The machine's are kept in ticks of 10 ms: compare moments half a second apart."""
    cores = _own_cores()
    machine = sum(getattr(core, kind, 0.0) for core in cores for kind in _WORK)
    return Counters(time.perf_counter(), machine, _own_seconds(), len(cores))


def others_share(before: Counters, after: Counters) -> float:
    """Share of the processor that others used between two moments, 0 to 1."""
    available = (after.wall_s - before.wall_s) * after.cores
    if available <= 0:
        return 0.0
    others = (after.machine_s - before.machine_s) - (after.own_s - before.own_s)
    return min(1.0, max(0.0, others / available))


def _own_cores() -> list[object]:
    """The time counters of each core that this process may run on."""
    cores: list[object] = list(psutil.cpu_times(percpu=True))
    if not hasattr(os, "sched_getaffinity"):
        return cores
    allowed = os.sched_getaffinity(0)
    return [core for number, core in enumerate(cores) if number in allowed] or cores


def _own_seconds() -> float:
    """Processor time of this process, of its children that ended and of those that run."""
    ended = os.times()
    seconds = time.process_time() + ended.children_user + ended.children_system
    for child in psutil.Process().children(recursive=True):
        try:
            times = child.cpu_times()
        except psutil.NoSuchProcess:
            continue  # ended since it was listed: its parent counts it now
        seconds += times.user + times.system + times.children_user + times.children_system
    return seconds
