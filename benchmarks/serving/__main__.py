"""Servers around the same int8 student, under the same load, in turns.

    python -m benchmarks.serving RUN --environments FOLDER

RUN is a run's folder (runs/sst2). Ours is started as a user starts it; LitServe, MLServer, FastAPI and
`transformers.pipeline` behind FastAPI as their documentation has it, LitServe and MLServer in environments of
their own under FOLDER, made once. Every server is pinned to core 0 with all of its processes, and wrk to core 1;
the one whose turn it is not is stopped, so that its idling costs the others nothing. Texts are the run's test
rows, one a request. In each round every server answers over 1 and over 32 connections, in random order. Rounds beside
busy neighbours are dropped and repeated.

How much a server adds is read off three rows beside them: the runtime alone, called in a loop without pauses; called
with pauses such as there are between two requests; and behind a bare socket, which reads a request, calls it and writes
the answer. That is the least that any server over HTTP adds on this machine. It has no queue, so it is asked over 1
connection only.

`--requests 200000` keeps asking ours over 32 connections after that, for the first words of each text, and looks at its
memory; with `--rounds 0`, nothing else is done.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import asdict
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

import numpy as np

from benchmarks.serving.contestants import Contestant, Running, line_up
from benchmarks.serving.measuring import SERVER_CORE, WARM_UP, called, flat, rounds
from compress.judge.machine import machine, versions
from serve import load as open_runtime
from serve.bundle import EVALUATION

PACKAGES = {"litserve": "litserve==0.2.19", "mlserver": "mlserver==1.7.1"}
DIRECT = {"the runtime in a loop, no server": 0.0, "the same, 1 ms between calls": 1.0}  # pauses in ms
SHORT = 3  # words, where many requests matter and not what they cost


def main() -> None:
    """Measure, print the table, write the document."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--environments", type=Path, default=Path("environments"))
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--seconds", type=float, default=5, help="of each load")
    parser.add_argument("--requests", type=int, default=0, help="to look at the memory of ours")
    parser.add_argument("--out", type=Path, default=None)
    asked = parser.parse_args()
    if asked.rounds:
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
    if not asked.rounds:
        contestants = contestants[:1]
    bodies = {one.name: written(one, texts, work) for one in contestants}
    plain = written(contestants[0], texts, work, "direct")
    short = written(contestants[0], [" ".join(text.split()[:SHORT]) for text in texts], work, "short")
    running = {one.name: Running(one, SERVER_CORE) for one in contestants}
    try:
        differ = different_labels(running, bundle, texts[:200])
        for server in running.values():
            server.pause()
        calls = {name: partial(called, bundle, plain, asked.seconds, pause) for name, pause in DIRECT.items()}
        loads, direct, dropped = rounds(asked.rounds, asked.seconds, running, bodies, calls)
        memory = flat(running["ours"], short, asked.requests) if asked.requests else None
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
        "direct": {
            name: {key: float(np.median([one[key] for one in several])) for key in several[0]}
            for name, several in direct.items()
            if several
        },
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
            if asked.rounds
        },
        "memory": memory,
    }


def written(contestant: Contestant, texts: Sequence[str], work: Path, name: str | None = None) -> Path:
    """The bodies as it takes them, one a line."""
    file = work / f"{(name or contestant.name).replace(' ', '-')}.jsonl"
    file.write_text("".join(contestant.body(text) + "\n" for text in texts), encoding="utf-8")
    return file


def different_labels(running: Mapping[str, Running], bundle: Path, texts: Sequence[str]) -> dict[str, int]:
    """That each server gives to texts one at a time, against the runtime in this process."""
    expected = [answer.label for answer in open_runtime(bundle, threads=1).predict(texts)]
    return {
        name: sum(server.ask(text) != label for text, label in zip(texts, expected, strict=True))
        for name, server in running.items()
    }


def table(found: Mapping[str, object]) -> str:
    """For docs/results.md."""
    servers, direct, memory = found["servers"], found["direct"], found["memory"]
    assert isinstance(servers, dict)
    assert isinstance(direct, dict)
    lines = [
        "| server | p50 / p99 ms, 1 connection | texts/s, 32 connections | p50 / p99 ms | not answered |",
        "|---|---|---|---|---|",
        *(f"| {name} | {one['p50_ms']:.2f} / {one['p99_ms']:.2f} | | | |" for name, one in direct.items()),
    ]
    for name, by_connections in servers.items():
        one, many = by_connections["1"], by_connections.get("32")
        lost = sum(by[key] for by in by_connections.values() for key in ("refused", "broken"))
        loaded = (
            f"{many['per_second']:.0f} | {many['p50_ms']:.1f} / {many['p99_ms']:.1f}"
            if many is not None
            else "|"
        )
        lines.append(f"| {name} | {one['p50_ms']:.2f} / {one['p99_ms']:.2f} | {loaded} | {lost} |")
    if isinstance(memory, dict):
        grown = memory["end_mb"] / memory["warm_mb"] - 1
        lines.append(
            f"\nmemory of ours over {memory['requests']:,} requests: {memory['warm_mb']:.1f} MB after {WARM_UP:,}, "
            f"{memory['end_mb']:.1f} at the end ({grown:+.1%}), {memory['most_mb']:.1f} at most; "
            f"{memory['refused']} refused, {memory['broken']} broken"
        )
    return "\n".join(lines)


if __name__ == "__main__":
    main()
