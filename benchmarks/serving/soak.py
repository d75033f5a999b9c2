"""The server under load with faults: what was tried, and what was lost.

    python -m benchmarks.serving.soak BUNDLE OTHER_BUNDLE --seconds 120

BUNDLE answers at first; OTHER_BUNDLE, of the same labels (the float file's, say), is put in its place and back again
under load, and so is a broken one. Honest clients ask distinct texts all the while, each answer is held against both
bundles' own; beside them clients vanish, send slowly, send too much, lie in their headers and send compressed bombs.
At the end SIGTERM comes under load. Lost is: no answer to a request that was sent whole, an answer that neither bundle
gives, or any 5xx before the end. The exit code is 1 where anything was.
"""

import argparse
import asyncio
import gzip
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import httpx
import psutil

from serve import load
from serve.bundle import EVALUATION, MANIFEST

HONEST, MISCHIEF = 16, 2  # clients at once: of the honest, and of each kind of the others
SWAP_S = 5.0
NEAR = 1e-4  # of a probability: the same model in another order of sums


@dataclass
class Ledger:
    """What was tried and what came of it."""

    tried: Counter[str] = field(default_factory=Counter)
    outcomes: Counter[str] = field(default_factory=Counter)
    lost: list[str] = field(default_factory=list)

    def note(self, kind: str, outcome: str) -> None:
        """One more."""
        self.tried[kind] += 1
        self.outcomes[f"{kind}: {outcome}"] += 1


@dataclass(frozen=True)
class Stage:
    """What all clients share."""

    port: int
    texts: Sequence[str]
    expected: Sequence[Sequence[dict[str, float]]]  # of each bundle, a dictionary a text
    ledger: Ledger
    over: asyncio.Event
    stopping: asyncio.Event


async def honest(stage: Stage, number: int) -> None:
    """Distinct texts, one after the other; every answer is checked."""
    picked = random.Random(number)
    async with httpx.AsyncClient(base_url=f"http://127.0.0.1:{stage.port}", timeout=60) as client:
        while not stage.over.is_set():
            which = picked.randrange(len(stage.texts))
            late = stage.stopping.is_set()
            try:
                reply = await client.post("/predict", json={"inputs": stage.texts[which]})
            except httpx.ConnectError:
                stage.ledger.note("honest", "not accepted: the server had ended")
                if not late and not stage.stopping.is_set():
                    stage.ledger.lost.append("a connection was refused before the end")
                return
            except httpx.HTTPError as error:
                # After SIGTERM an idle connection is closed; a request that crosses with that was not taken.
                outcome = "crossed with the end" if stage.stopping.is_set() else "no answer"
                stage.ledger.note("honest", outcome)
                if not stage.stopping.is_set():
                    stage.ledger.lost.append(f"no answer: {type(error).__name__}")
                continue
            if reply.status_code == 200:
                found = {one["label"]: one["score"] for one in reply.json()}
                right = any(same(found, answers[which]) for answers in stage.expected)
                stage.ledger.note("honest", "answered" if right else "WRONG")
                if not right:
                    stage.ledger.lost.append(f"a wrong answer: {found}")
            elif reply.status_code in (429, 503):
                stage.ledger.note("honest", f"told to come again ({reply.status_code})")
                if reply.status_code == 503 and not stage.stopping.is_set():
                    stage.ledger.lost.append("503 before the end")
                await asyncio.sleep(0.05)
            else:
                stage.ledger.note("honest", str(reply.status_code))
                stage.ledger.lost.append(f"status {reply.status_code}: {reply.text[:200]}")


def same(found: dict[str, float], expected: dict[str, float]) -> bool:
    """The labels' probabilities agree."""
    return found.keys() == expected.keys() and all(
        abs(found[label] - value) < NEAR for label, value in expected.items()
    )


def head(length: str, *more: str, path: str = "/predict") -> bytes:
    """The beginning of a request."""
    lines = [
        f"POST {path} HTTP/1.1",
        "Host: 127.0.0.1",
        "Content-Type: application/json",
        length,
        *more,
        "",
        "",
    ]
    return "\r\n".join(lines).encode()


def whole(body: bytes, *more: str, path: str = "/predict") -> bytes:
    """A request."""
    return head(f"Content-Length: {len(body)}", *more, path=path) + body


Send = Callable[[asyncio.StreamWriter, Stage], Awaitable[None]]


async def vanish(writer: asyncio.StreamWriter, stage: Stage) -> None:
    """A good request, and nobody there for its answer."""
    writer.write(whole(json.dumps({"inputs": random.choice(stage.texts)}).encode()))
    await writer.drain()
    writer.transport.abort()


async def slow(writer: asyncio.StreamWriter, stage: Stage) -> None:
    """A byte every half second."""
    for byte in head("Content-Length: 100000"):
        writer.write(bytes([byte]))
        await writer.drain()
        if stage.over.is_set():
            return
        await asyncio.sleep(0.5)


async def oversize(writer: asyncio.StreamWriter, stage: Stage) -> None:  # noqa: ARG001  one signature for all
    """Twenty megabytes by Content-Length."""
    writer.write(head("Content-Length: 20000000"))
    for _ in range(20):
        writer.write(b"x" * 1_000_000)
        await writer.drain()


async def chunked(writer: asyncio.StreamWriter, stage: Stage) -> None:  # noqa: ARG001
    """More than is taken, in chunks of a byte and of a hundred thousand."""
    writer.write(head("Transfer-Encoding: chunked"))
    writer.write(b"1\r\nx\r\n" * 20_000)
    for _ in range(100):
        writer.write(b"186a0\r\n" + b"x" * 100_000 + b"\r\n")
        await writer.drain()
    writer.write(b"0\r\n\r\n")


async def lie(writer: asyncio.StreamWriter, stage: Stage) -> None:
    """A binary tensor whose lengths do not fit its body."""
    tensor = {"name": "text", "shape": [2**31, 2**31], "datatype": "BYTES"}
    body = json.dumps({"inputs": [tensor | {"parameters": {"binary_data_size": 99_999_999}}]}).encode()
    claimed = random.choice(["5", str(len(body)), "99999999999", "-1"])
    path = f"/v2/models/{stage_name(stage)}/infer"
    writer.write(whole(body, f"Inference-Header-Content-Length: {claimed}", path=path))


async def promise(writer: asyncio.StreamWriter, stage: Stage) -> None:  # noqa: ARG001
    """A length of which half comes, and the connection is closed."""
    writer.write(head("Content-Length: 1000") + b'{"inputs": "a')
    await writer.drain()
    writer.transport.abort()


async def bomb(writer: asyncio.StreamWriter, stage: Stage) -> None:  # noqa: ARG001
    """A hundred megabytes of zeros in a hundred kilobytes."""
    writer.write(whole(BOMB, "Content-Encoding: gzip"))


BOMB = gzip.compress(b"0" * 100_000_000)
KINDS: dict[str, Send] = {
    "vanishing client": vanish,
    "slow sender": slow,
    "oversize body": oversize,
    "oversize body in chunks": chunked,
    "lying headers": lie,
    "broken promise": promise,
    "gzip bomb": bomb,
}


def stage_name(stage: Stage) -> str:  # noqa: ARG001
    """Any name of a model will do: a body is read before it is known."""
    return "model"


async def mischief(kind: str, send: Send, stage: Stage) -> None:
    """The same fault again and again; what it is told is noted, and any 5xx is a loss."""
    while not stage.stopping.is_set():
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", stage.port)
        except OSError:
            stage.ledger.note(kind, "not let in")
            await asyncio.sleep(0.2)
            continue
        told = b""
        try:
            await asyncio.wait_for(send(writer, stage), 60)
            told = await asyncio.wait_for(reader.readline(), 60)
        except (OSError, TimeoutError):
            pass
        finally:
            writer.close()
        status = told.split(b" ")[1].decode() if told.count(b" ") >= 2 else "cut off"
        stage.ledger.note(kind, status)
        if status.startswith("5"):
            stage.ledger.lost.append(f"{kind} was told {status}")
        await asyncio.sleep(0.1)


async def swap(folder: Path, versions: Sequence[Path], stage: Stage) -> None:
    """The other version, a broken one, the first again, and so on, each put in place as `compress run` does."""
    turn = 0
    while not stage.stopping.is_set():
        await asyncio.sleep(SWAP_S)
        turn += 1
        fresh = folder.with_name("fresh")
        shutil.copytree(versions[turn % len(versions)], fresh)
        if turn % 3 == 0:
            model = fresh / json.loads((fresh / MANIFEST).read_text())["model"]
            model.write_bytes(model.read_bytes()[:1000])
            stage.ledger.note("bundle put in", "broken")
        else:
            stage.ledger.note("bundle put in", "whole")
        old = folder.with_name("old")
        folder.rename(old)
        fresh.rename(folder)
        shutil.rmtree(old)


async def watch_memory(process: psutil.Process, stage: Stage, marks: list[float]) -> None:
    """Every second, in 10^6 bytes."""
    while not stage.stopping.is_set():
        marks.append(process.memory_info().rss / 1e6)
        await asyncio.sleep(1)


async def soak(bundle: Path, other: Path, seconds: float) -> int:
    """All of it; returns how much was lost."""
    rows = [json.loads(line) for line in (bundle / EVALUATION).read_text(encoding="utf-8").splitlines()]
    texts = [row["text"] for row in rows]
    expected = [
        [answer.probabilities for answer in load(folder, threads=1).predict(texts)]
        for folder in (bundle, other)
    ]
    with tempfile.TemporaryDirectory() as work:
        served = Path(work) / "bundle"
        shutil.copytree(bundle, served)
        process, port = start(served)
        stage = Stage(port, texts, expected, Ledger(), asyncio.Event(), asyncio.Event())
        marks: list[float] = []
        tasks = [
            *(asyncio.create_task(honest(stage, number)) for number in range(HONEST)),
            *(
                asyncio.create_task(mischief(kind, send, stage))
                for kind, send in KINDS.items()
                for _ in range(MISCHIEF)
            ),
            asyncio.create_task(swap(served, (bundle, other), stage)),
            asyncio.create_task(watch_memory(psutil.Process(process.pid), stage, marks)),
        ]
        await asyncio.sleep(seconds)
        stage.stopping.set()
        asked = time.monotonic()
        process.send_signal(signal.SIGTERM)
        code = await asyncio.to_thread(process.wait, 60)
        took = time.monotonic() - asked
        stage.over.set()
        await asyncio.gather(*tasks)
    if code:
        stage.ledger.lost.append(f"exit code {code}")
    tell(stage.ledger, marks, took, code)
    return len(stage.ledger.lost)


def start(bundle: Path) -> tuple["subprocess.Popen[str]", int]:
    """The server as a user starts it, watching its bundle."""
    command = [sys.executable, "-m", "compress", "serve", str(bundle), "--port", "0", "--watch"]
    process = subprocess.Popen(
        command,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
        env=os.environ | {"PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    return process, int(process.stdout.readline().rpartition(":")[2])


def tell(ledger: Ledger, marks: Sequence[float], took: float, code: int) -> None:
    """What was tried, what came of it, and what was lost."""
    for kind, count in ledger.tried.items():
        outcomes = [
            f"{name.removeprefix(kind + ': ')} {number:,}"
            for name, number in ledger.outcomes.most_common()
            if name.startswith(kind + ": ")
        ]
        print(f"{kind:<26}{count:>8,}   {', '.join(outcomes)}")
    warm = marks[min(len(marks) - 1, len(marks) // 4)]
    print(
        f"memory, MB                         {warm:.0f} after a quarter, {marks[-1]:.0f} at the end, "
        f"{max(marks):.0f} at most"
    )
    print(f"SIGTERM under load                 exit code {code} after {took:.1f} s")
    print(f"lost                       {len(ledger.lost):>7,}   {'; '.join(sorted(set(ledger.lost))[:5])}")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("other", type=Path)
    parser.add_argument("--seconds", type=float, default=120)
    asked = parser.parse_args()
    sys.exit(1 if asyncio.run(soak(asked.bundle, asked.other, asked.seconds)) else 0)
