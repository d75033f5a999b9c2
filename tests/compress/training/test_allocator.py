"""Keeping freed memory during training: it saves page faults, and changes nothing that is computed."""

import json
import platform
import resource
import subprocess
import sys
from contextlib import nullcontext
from pathlib import Path

import pytest
from lessons import make
from trainings import weights_after_training

from compress.training import allocator, loop
from compress.training.allocator import keeping_freed_memory

on_glibc = pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")

# In a process of its own: the heap of this one has the holes that other tests left.
TAKE_AND_FREE = """
import json, os, resource, torch
from compress.training.allocator import keeping_freed_memory

def page_faults():
    "Of taking and freeing 64 MB twenty times."
    before = resource.getrusage(resource.RUSAGE_SELF).ru_minflt
    for _ in range(20):
        torch.ones(2**24)
    return resource.getrusage(resource.RUSAGE_SELF).ru_minflt - before

def held():
    return int(open("/proc/self/statm").read().split()[1])

counts = {"usual": page_faults(), "held_before": held()}
with keeping_freed_memory() as keeps:
    page_faults()  # until the heap has a hole of that size that no small piece gets into
    counts |= {"kept": page_faults(), "held_inside": held()}
counts["held_afterwards"] = held()
try:
    with keeping_freed_memory():
        page_faults()
        raise ZeroDivisionError
except ZeroDivisionError:
    counts["held_after_a_failure"] = held()
print(json.dumps({"keeps": keeps} | counts))
"""


@on_glibc
def test_pages_are_faulted_in_once_and_not_at_every_step() -> None:
    told = subprocess.run([sys.executable, "-c", TAKE_AND_FREE], capture_output=True, text=True, check=True)
    counts = json.loads(told.stdout)
    piece = 64 * 2**20 / resource.getpagesize()
    assert counts["keeps"]
    assert counts["usual"] > 0.8 * 20 * piece
    assert counts["kept"] < 0.2 * 20 * piece
    assert counts["held_inside"] > counts["held_before"] + 0.8 * piece
    # The system has its memory back.
    assert counts["held_afterwards"] < counts["held_before"] + 0.2 * piece
    assert counts["held_after_a_failure"] < counts["held_before"] + 0.2 * piece


def test_the_weights_are_the_same_to_the_bit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    entered = []

    def noted() -> object:
        entered.append(True)
        return keeping_freed_memory()

    monkeypatch.setattr(loop, "keeping_freed_memory", noted)
    with_it = weights_after_training(tmp_path / "with")
    monkeypatch.setattr(loop, "keeping_freed_memory", lambda: nullcontext(False))
    without = weights_after_training(tmp_path / "without")
    assert entered == [True]  # training asks for it
    start = dict(make("bert").named_parameters())
    assert any((with_it[name] != start[name].detach().numpy()).any() for name in start)
    for name, weights in without.items():
        assert (with_it[name] == weights).all(), name


def test_other_c_libraries_are_left_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_: object) -> None:
        raise AssertionError("a library was opened")

    monkeypatch.setattr(platform, "libc_ver", lambda: ("", ""))
    monkeypatch.setattr(allocator.ctypes, "CDLL", never)
    with keeping_freed_memory() as keeps:
        assert not keeps
