"""Servers around the same int8 student, under the same load, in turns.

    python -m benchmarks.serving RUN --environments FOLDER

RUN is a run's folder (runs/sst2). Ours is started as a user starts it; LitServe, MLServer, FastAPI and
`transformers.pipeline` behind FastAPI as their documentation has it, LitServe and MLServer in environments of
their own under FOLDER, made once. Every server is pinned to core 0 with all of its processes, and wrk to core 1;
the one whose turn it is not is stopped, so that its idling costs the others nothing. Texts are the run's test
rows, one a request. In each round every server answers over 1 and over 32 connections, in random order; the
runtime alone is called in a loop beside them. Rounds beside busy neighbours are dropped and repeated.

`--requests 200000` keeps asking ours over 32 connections after that, and looks at its memory.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from pathlib import Path

import numpy as np

from benchmarks.serving.contestants import Contestant, Running, line_up, plain_body
from benchmarks.serving.load import Load, load
from compress.judge.interference import BUSY, others_share, read
from compress.judge.machine import machine, versions
from serve import load as open_runtime
from serve.bundle import EVALUATION

CONNECTIONS = (1, 32)
PACKAGES = {"litserve": "litserve==0.2.19", "mlserver": "mlserver==1.7.1"}
SERVER_CORE, LOAD_CORE = 0, 1
REPEATS = 3  # of a round beside busy neighbours
DIRECT = "runtime, no server"
SEED = 13
WARM_UP = 20_000  # requests before memory is looked at


def main() -> None:
    """Measure, print the table, write the document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--requests", type=int, default=0, help="to look at the memory of ours")
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    for name in PACKAGES:
        make_environment(asked.environments, name)
    bundle = (asked.run / "bundle").resolve()
    (model,) = (
        path.parent for path in asked.run.glob("stages/student-[0-9]-*/config.json") if last(path, asked.run)
    )
    with tempfile.TemporaryDirectory() as work:
        found = measure(asked, bundle, model.resolve(), Path(work))
    text = json.dumps(found, indent=2) + "\n"
    if asked.out is not None:
        asked.out.write_text(text)
    print(table(found))


def last(config: Path, run: Path) -> bool:
    """Whether no later stage of distillation follows."""
    number = int(config.parent.name.split("-")[1])
    return not list(run.glob(f"stages/student-{number + 1}-*"))


def make_environment(environments: Path, name: str) -> None:
    """With the peer and what the student needs; done before: nothing."""
    folder = environments / name
    if (folder / "made").exists():
        return
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    needed = [PACKAGES[name], "onnxruntime==1.31.1", "tokenizers", "numpy"]
    subprocess.run([str(folder / "bin/python"), "-m", "pip", "install", "-q", *needed], check=True)
    (folder / "made").touch()


def measure(asked: argparse.Namespace, bundle: Path, model: Path, work: Path) -> dict[str, object]:
    """Everything, as one document."""
    rows = [json.loads(line) for line in (bundle / EVALUATION).read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in rows]
    contestants = line_up(bundle, model, asked.environments.resolve(), work)
    bodies = {one.name: written(one, texts, work) for one in contestants}
    running = {one.name: Running(one, SERVER_CORE) for one in contestants}
    try:
        differ = different_labels(running, bundle, texts[:200])
        for server in running.values():
            server.pause()
        loads, direct, dropped = rounds(asked, running, bodies, bundle)
        memory = flat(running["ours"], bodies["ours"], asked.requests) if asked.requests else None
    finally:
        for server in running.values():
            server.stop()
    return {
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
        "machine": machine().model_dump(),
        "versions": {**versions(), **PACKAGES},
        "rounds": asked.rounds,
        "dropped_rounds": dropped,
        "seconds": asked.seconds,
        "labels_that_differ_of_200": differ,
        DIRECT: {key: float(np.median([one[key] for one in direct])) for key in direct[0]},
        "servers": {
            name: {
                str(connections): {
                    "per_second": float(np.median([one.per_second for one in several])),
                    **{
                        key: float(np.median([getattr(one, key) for one in several]))
                        for key in ("p50_ms", "p95_ms", "p99_ms")
                    },
                    "requests": sum(one.requests for one in several),
                    "refused": sum(one.refused for one in several),
                    "broken": sum(one.broken for one in several),
                    "rounds": [asdict(one) for one in several],
                }
                for connections, several in by_connections.items()
            }
            for name, by_connections in loads.items()
        },
        "memory": memory,
    }


def written(contestant: Contestant, texts: Sequence[str], work: Path) -> Path:
    """The bodies as it takes them, one a line."""
    file = work / f"{contestant.name.replace(' ', '-')}.jsonl"
    file.write_text("".join(contestant.body(text) + "\n" for text in texts), encoding="utf-8")
    if contestant.body is plain_body:
        (work / "direct.jsonl").write_text(file.read_text(encoding="utf-8"), encoding="utf-8")
    return file


def different_labels(running: Mapping[str, Running], bundle: Path, texts: Sequence[str]) -> dict[str, int]:
    """That each server gives to texts one at a time, against the runtime in this process."""
    expected = [answer.label for answer in open_runtime(bundle, threads=1).predict(texts)]
    return {
        name: sum(server.ask(text) != label for text, label in zip(texts, expected, strict=True))
        for name, server in running.items()
    }


def rounds(
    asked: argparse.Namespace, running: Mapping[str, Running], bodies: Mapping[str, Path], bundle: Path
) -> tuple[dict[str, dict[int, list[Load]]], list[dict[str, float]], int]:
    """Clean rounds of every server at every number of connections, the runtime's own times, and rounds dropped."""
    loads: dict[str, dict[int, list[Load]]] = {name: {many: [] for many in CONNECTIONS} for name in running}
    direct: list[dict[str, float]] = []
    random = np.random.default_rng(SEED)
    done = dropped = 0
    first = next(iter(bodies.values()))
    while done < asked.rounds and dropped < REPEATS * asked.rounds:
        clean = True
        found: dict[tuple[str, int], Load] = {}
        for name in random.permutation([*running, DIRECT]):
            before = read()
            if name == DIRECT:
                alone = called(bundle, first.with_name("direct.jsonl"), asked.seconds)
            else:
                server = running[name]
                server.go_on()
                for many in CONNECTIONS:
                    load(server.contestant.url, bodies[name], many, 1, LOAD_CORE)  # warm again
                    found[name, many] = load(
                        server.contestant.url, bodies[name], many, asked.seconds, LOAD_CORE
                    )
                server.pause()
            clean = clean and others_share(before, read()) <= BUSY
        if clean:
            done += 1
            direct.append(alone)
            for (name, many), one in found.items():
                loads[name][many].append(one)
        else:
            dropped += 1
        print(f"round {done} of {asked.rounds}, {dropped} dropped", file=sys.stderr)
    if not direct:
        raise SystemExit("every round was beside busy neighbours: nothing can be said")
    return loads, direct, dropped


def called(bundle: Path, bodies: Path, seconds: float) -> dict[str, float]:
    """The runtime in a loop, in a process on the servers' core."""
    command = ["taskset", "-c", str(SERVER_CORE), sys.executable, "-m", "benchmarks.serving.direct"]
    told = subprocess.run(
        [*command, str(bundle), str(bodies), f"{seconds:g}"],
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
    return {
        "requests": answered,
        "refused": refused,
        "broken": broken,
        "warm_mb": marks[0],
        "end_mb": marks[-1],
        "most_mb": max(marks),
    }


def table(found: Mapping[str, object]) -> str:
    """For docs/results.md."""
    servers, direct = found["servers"], found[DIRECT]
    assert isinstance(servers, dict)
    assert isinstance(direct, dict)
    lines = [
        "| server | p50 / p99 ms, 1 connection | texts/s, 32 connections | p50 / p99 ms | not answered |",
        "|---|---|---|---|---|",
        f"| {DIRECT} | {direct['p50_ms']:.2f} / {direct['p99_ms']:.2f} | | | |",
    ]
    for name, by_connections in servers.items():
        one, many = by_connections["1"], by_connections["32"]
        lost = sum(by[key] for by in (one, many) for key in ("refused", "broken"))
        lines.append(
            f"| {name} | {one['p50_ms']:.2f} / {one['p99_ms']:.2f} | {many['per_second']:.0f} | "
            f"{many['p50_ms']:.1f} / {many['p99_ms']:.1f} | {lost} |"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
