"""The same student in other people's runtimes, in turns on the same tokens, one process each.

    python -m benchmarks.peers RUN --environments FOLDER --threads 1

RUN is a run's folder (runs/sst2): its student, its bundle and its test rows are taken. optimum-onnx exports,
optimises and quantises the student by its own commands; OpenVINO reads optimum's file, NNCF quantises it on
training-like texts; PyTorch runs the weights. Each has an environment of its own under FOLDER, made once.
Models are timed without the tokenizer, which would be the same for all. Rounds beside a busy neighbour are
dropped and repeated. How many of the student's labels each peer gives stands beside its times. What ours does at
32 x 32 is also given as a share of the processor's int8 peak: the better of ONNX Runtime and OpenVINO on one large
product, in the same rounds with the same threads.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from subprocess import PIPE, Popen

import numpy as np
from transformers import AutoConfig

from benchmarks.peers.environments import OPENVINO, OPTIMUM, environment, openvino_files, optimum_files
from benchmarks.peers.product import OPERATIONS, SIDE, encoder_operations, write_product
from compress.bench.figures import ratio
from compress.judge.interference import BUSY, others_share, read
from compress.judge.latency import MIN_CLEAN_ROUNDS, rest
from compress.judge.machine import machine, versions
from serve.bundle import EVALUATION, GraphInput
from serve.bundle import read as read_bundle
from serve.encoding import pad, pad_id, read_tokenizer, tokenize

SHAPES: dict[str, tuple[int, int | None]] = {
    "1 x 16": (1, 16),
    "1 x 128": (1, 128),
    "32 x 32": (32, 32),
    "sst2 text": (1, None),
}
CALLS = {"1 x 16": 60, "1 x 128": 20, "32 x 32": 4, "sst2 text": 60}
OURS = "ours int8"
PRODUCT, PRODUCT_CALLS = f"int8 {SIDE} x {SIDE} x {SIDE}", 4
REPEATS = 3
SEED = 13

Arrays = dict[str, list[list[int]]]


class Peer:
    """A worker process."""

    def __init__(self, python: str, kind: str, model: Path, threads: int) -> None:
        worker = Path(__file__).with_name("worker.py")
        command = [python, str(worker), kind, str(model), str(threads)]
        self._process = Popen(command, stdin=PIPE, stdout=PIPE, text=True)
        self._line()

    def times(self, arrays: Sequence[Arrays]) -> list[float]:
        """Milliseconds of each batch."""
        return [float(one) for one in self._ask(arrays, answer=False)["ms"]]

    def labels(self, arrays: Sequence[Arrays]) -> list[int]:
        """The answer to each text."""
        logits = self._ask(arrays, answer=True)["logits"]
        return [int(np.argmax(row)) for batch in logits for row in batch]

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait(timeout=30)

    def _ask(self, arrays: Sequence[Arrays], *, answer: bool) -> dict[str, list[list[list[float]]]]:
        assert self._process.stdin is not None
        self._process.stdin.write(json.dumps({"arrays": list(arrays), "answer": answer}) + "\n")
        self._process.stdin.flush()
        found: dict[str, list[list[list[float]]]] = self._line()
        return found

    def _line(self) -> dict[str, list[list[list[float]]]]:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            sys.exit(f"a peer ended: {self._process.args}")
        found: dict[str, list[list[list[float]]]] = json.loads(line)
        return found


def batches(bundle: Path, shape: str, count: int, random: np.random.Generator) -> list[Arrays]:
    """So many batches of the shape, of the bundle's test rows; fixed lengths are cut or joined to it."""
    loaded = read_bundle(bundle)
    size, length = SHAPES[shape]
    rows = [
        json.loads(line)["text"] for line in (bundle / EVALUATION).read_text(encoding="utf-8").splitlines()
    ]
    tokenizer = read_tokenizer(loaded.tokenizer_path)
    inputs = [
        GraphInput(name=name, dtype="int64") for name in ("input_ids", "attention_mask", "token_type_ids")
    ]
    if length is not None:
        tokenizer.enable_truncation(length)
    found = []
    for _ in range(count):
        # Several rows in one text, so that the cut is always reached.
        joined = 1 if length is None else 1 + length // 8
        texts = [
            " ".join(rows[int(row)] for row in random.integers(len(rows), size=joined)) for _ in range(size)
        ]
        arrays = pad(tokenize(tokenizer, texts), inputs, pad_id(tokenizer)).arrays
        if length is not None and arrays["attention_mask"].sum() != size * length:
            raise ValueError(f"texts shorter than {length} tokens")
        found.append({name: values.tolist() for name, values in arrays.items()})
    return found


def measure(
    peers: Mapping[str, Peer], products: Mapping[str, Peer], bundle: Path, rounds: int
) -> tuple[dict[str, dict[str, np.ndarray]], int, int]:
    """Times by shape and peer, each (rounds, calls); how many rounds were clean and how many dropped.

    The large product is one more shape, for the peers in `products`.
    """
    random = np.random.default_rng(SEED)
    clean: list[dict[str, dict[str, list[float]]]] = []
    dropped: list[dict[str, dict[str, list[float]]]] = []
    while len(clean) < rounds and len(clean) + len(dropped) < REPEATS * rounds:
        turns: dict[str, dict[str, list[float]]] = {}
        before = read()
        for shape in SHAPES:
            given = batches(bundle, shape, CALLS[shape], random)
            turns[shape] = {}
            for name in random.permutation(list(peers)):
                rest()
                turns[shape][str(name)] = peers[str(name)].times(given)
        turns[PRODUCT] = {}
        for name, peer in products.items():
            rest()
            turns[PRODUCT][name] = peer.times([{}] * PRODUCT_CALLS)
        share = others_share(before, read())
        (dropped if share > BUSY else clean).append(turns)
        print(f"round {len(clean) + len(dropped)}: others used {share:.0%}", file=sys.stderr)
    kept = clean if len(clean) >= MIN_CLEAN_ROUNDS else clean + dropped
    return (
        {
            shape: {name: np.array([turns[shape][name] for turns in kept]) for name in kept[0][shape]}
            for shape in [*SHAPES, PRODUCT]
        },
        len(clean),
        len(dropped),
    )


def main(run: Path, environments: Path, threads: int, rounds: int, out: Path | None) -> None:
    """A table per shape: p50, and how many times as long as ours."""
    bundle = run / "bundle"
    (student,) = {
        path.parent for path in run.glob("stages/student-*/model.safetensors") if "start" not in str(path)
    }
    environments = environments.resolve()
    optimum = environment(environments / "optimum", OPTIMUM)
    open_vino = environment(environments / "openvino", OPENVINO)
    files = optimum_files(optimum, student.resolve(), environments / "files")
    calibration = environments / "files" / "calibration.json"
    random = np.random.default_rng(SEED + 1)
    calibration.write_text(json.dumps(batches(bundle, "sst2 text", 128, random)), encoding="utf-8")
    openvino = openvino_files(open_vino, files["optimum O2 fp32"], calibration, environments / "files")
    ours, mine = read_bundle(bundle).model_path, sys.executable
    peers = {
        OURS: Peer(mine, "onnxruntime", ours, threads),
        "ours int8, one by one": Peer(mine, "onnxruntime_one_by_one", ours, threads),
        "ours fp32": Peer(mine, "onnxruntime", bundle / "onnx/model.onnx", threads),
        **{name: Peer(str(optimum), "onnxruntime", file, threads) for name, file in files.items()},
        **{name: Peer(str(open_vino), "openvino", file, threads) for name, file in openvino.items()},
        "PyTorch eager": Peer(mine, "torch_eager", student, threads),
        "torch.compile": Peer(mine, "torch_compiled", student, threads),
    }
    check = batches(bundle, "sst2 text", 200, np.random.default_rng(SEED + 2))
    expected = peers["PyTorch eager"].labels(check)
    agree = {
        name: float(np.mean([a == b for a, b in zip(peer.labels(check), expected, strict=True)]))
        for name, peer in peers.items()
    }
    product = write_product(environments / "files" / "product.onnx")
    products = {
        "ONNX Runtime": Peer(mine, "product_onnxruntime", product, threads),
        "OpenVINO": Peer(str(open_vino), "product_openvino", product, threads),
    }
    times, clean, dropped = measure(peers, products, bundle, rounds)
    for peer in (*peers.values(), *products.values()):
        peer.close()
    peak = {name: OPERATIONS / float(np.median(spent)) / 1e6 for name, spent in times.pop(PRODUCT).items()}
    texts, tokens = 32, 32
    operations = encoder_operations(AutoConfig.from_pretrained(student), texts, tokens)
    used = operations / float(np.median(times["32 x 32"][OURS])) / 1e6
    document = {
        "threads": threads,
        "rounds": clean,
        "dropped_rounds": dropped,
        "noisy": clean < MIN_CLEAN_ROUNDS,
        "labels_as_pytorch": agree,
        "p50_ms": {s: {n: float(np.median(t)) for n, t in of.items()} for s, of in times.items()},
        "over_ours": {s: {n: ratio(t, of[OURS], SEED) for n, t in of.items()} for s, of in times.items()},
        "int8_peak_gops": peak,
        "ours_gops": used,
        "share_of_peak": used / max(peak.values()),
        "machine": machine().model_dump(),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if out is not None:
        out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    print(f"\n{threads} thread(s), {clean} clean rounds, {dropped} dropped\n")
    print(f"| | labels as PyTorch | {' | '.join(times)} |\n|---|---|{'---|' * len(times)}")
    for name in peers:
        cells = []
        for shape in times:
            value, (low, high) = ratio(times[shape][name], times[shape][OURS], SEED)
            cells.append(f"{np.median(times[shape][name]):.2f} ms ({value:.2f} [{low:.2f}, {high:.2f}])")
        print(f"| {name} | {agree[name]:.3f} | {' | '.join(cells)} |")
    peaks = ", ".join(f"{name} {value:,.0f}" for name, value in peak.items())
    print(
        f"\n{PRODUCT}: {peaks} GOP/s; ours at 32 x 32: {used:,.0f}, {used / max(peak.values()):.0%} of the peak"
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    options = parser.parse_args()
    main(options.run, options.environments, options.threads, options.rounds, options.out)
