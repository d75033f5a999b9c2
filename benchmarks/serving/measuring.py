"""Servers asked in turns, the runtime called beside them, and the memory of one after very many requests."""

import json
import os
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from benchmarks.serving.contestants import Running
from benchmarks.serving.load import Load, load
from compress.judge.interference import BUSY, others_share, read

SERVER_CORE, LOAD_CORE = 0, 1
REPEATS = 3  # of a round beside busy neighbours
SEED = 13
WARM_UP = 20_000  # requests before memory is looked at


def rounds(
    wanted: int,
    seconds: float,
    running: Mapping[str, Running],
    bodies: Mapping[str, Path],
    calls: Mapping[str, Callable[[], dict[str, float]]],
) -> tuple[dict[str, dict[int, list[Load]]], dict[str, list[dict[str, float]]], int]:
    """Clean rounds of every server at every number of connections, of the calls without one, and rounds dropped."""
    loads: dict[str, dict[int, list[Load]]] = {
        name: {many: [] for many in server.contestant.connections} for name, server in running.items()
    }
    direct: dict[str, list[dict[str, float]]] = {name: [] for name in calls}
    random = np.random.default_rng(SEED)
    done = dropped = 0
    while done < wanted and dropped < REPEATS * wanted:
        clean = True
        found: dict[tuple[str, int], Load] = {}
        alone: dict[str, dict[str, float]] = {}
        for name in random.permutation([*running, *calls]):
            before = read()
            if name in calls:
                alone[name] = calls[name]()
            else:
                found |= asked_for_a_while(running[name], bodies[name], seconds)
            clean = clean and others_share(before, read()) <= BUSY
        if clean:
            done += 1
            for name, times in alone.items():
                direct[name].append(times)
            for (name, many), one in found.items():
                loads[name][many].append(one)
        else:
            dropped += 1
        print(f"round {done} of {wanted}, {dropped} dropped", file=sys.stderr)
    if wanted and not done:
        raise SystemExit("every round was beside busy neighbours: nothing can be said")
    return loads, direct, dropped


def asked_for_a_while(server: Running, bodies: Path, seconds: float) -> dict[tuple[str, int], Load]:
    """What this server does over each number of connections that it takes, while it alone may run."""
    url, found = server.contestant.url, {}
    server.go_on()
    for many in server.contestant.connections:
        load(url, bodies, many, 1, LOAD_CORE)  # warm again
        found[server.contestant.name, many] = load(url, bodies, many, seconds, LOAD_CORE)
    server.pause()
    return found


def called(bundle: Path, bodies: Path, seconds: float, pause_ms: float) -> dict[str, float]:
    """The runtime in a loop, in a process on the servers' core."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "benchmarks.serving.direct"]
    told = subprocess.run(
        [*command, str(bundle), str(bodies), f"{seconds:g}", f"{pause_ms:g}"],
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"OMP_NUM_THREADS": "1"},
    ).stdout
    return dict(json.loads(told))


def flat(server: Running, bodies: Path, requests: int) -> dict[str, float]:
    """The memory of a server after it was warm, and after so many requests more."""
    server.go_on()
    answered, marks = 0, []
    refused = broken = 0
    while answered < WARM_UP + requests:
        one = load(server.contestant.url, bodies, 32, 10, LOAD_CORE)
        answered += one.requests
        refused, broken = refused + one.refused, broken + one.broken
        if answered >= WARM_UP:
            marks.append(server.memory_mb)
        print(f"{answered:,} requests, {server.memory_mb:.1f} MB", file=sys.stderr)
    server.pause()
    return {
        "requests": answered,
        "refused": refused,
        "broken": broken,
        "warm_mb": marks[0],
        "end_mb": marks[-1],
        "most_mb": max(marks),
    }
