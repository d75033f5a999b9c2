"""The same student in other people's runtimes, in turns on the same tokens, one process each.

    python -m benchmarks.peers RUN --environments FOLDER --threads 1

RUN is a run's folder (runs/sst2): its student, its bundle and its test rows are taken; with --texts FILE.txt the
texts are those. optimum-onnx exports, optimises and quantises the student by its own commands; OpenVINO reads
optimum's file, NNCF quantises it on 128 of the texts; PyTorch runs the weights. Each has an environment of its own
under FOLDER, made once, and its files in a folder of this student's. Models are timed without the tokenizer, which
would be the same for all. Rounds beside a busy neighbour are dropped and repeated. How many of the student's labels
each peer gives stands beside its times. What ours does at 32 x 32 is also given as a share of the processor's int8
peak: the better of ONNX Runtime and OpenVINO on one large product, in the same rounds with the same threads.
"""

import argparse
import json
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

import numpy as np
from transformers import AutoConfig

from benchmarks.peers.environments import OPENVINO, OPTIMUM, environment, openvino_files, optimum_files
from benchmarks.peers.given import REAL, SHAPES, batches, source
from benchmarks.peers.peer import Arrays, Peer
from benchmarks.peers.product import OPERATIONS, SIDE, encoder_operations, write_product
from compress.bench.figures import ratio
from compress.judge.interference import BUSY, others_share, read
from compress.judge.latency import rest
from compress.judge.machine import machine, versions
from compress.judge.report import MIN_CLEAN_ROUNDS
from serve.bundle import Bundle, sha256
from serve.bundle import read as read_bundle

CALLS = {"1 x 16": 30, "1 x 128": 10, "32 x 32": 2, REAL: 30}
OURS, TOGETHER, FLOAT, PYTORCH = "ours", "ours, true batches", "ours, fp32", "PyTorch eager"
PRODUCT, PRODUCT_CALLS = f"int8 {SIDE} x {SIDE} x {SIDE}", 2
SEED = 13

Times = dict[str, dict[str, np.ndarray]]  # by shape and peer, (rounds, calls)


def student_of(run: Path, named: Path | None) -> Path:
    """The weights that the bundle was made of: those named, or what the run taught last."""
    taught = [path.parent for path in run.glob("stages/student-[0-9q]*/stage.json")]
    taught = [folder for folder in taught if (folder / "model.safetensors").is_file()]
    if named is None and not taught:
        sys.exit(
            f"{run}/stages holds no student. Expected: a run that taught one. To do: give --student FOLDER"
        )
    return named or max(taught, key=lambda folder: (folder / "stage.json").stat().st_mtime)


def open_peers(
    bundle: Bundle, student: Path, calibration: Sequence[Arrays], environments: Path, threads: int
) -> tuple[dict[str, Peer], dict[str, Peer]]:
    """Everybody by name, and those that compute the large product; environments and files are made where missing."""
    optimum = environment(environments / "optimum", OPTIMUM)
    open_vino = environment(environments / "openvino", OPENVINO)
    folder = environments / "files" / sha256(student / "model.safetensors")[:10]
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "calibration.json").write_text(json.dumps(calibration), encoding="utf-8")
    files = optimum_files(optimum, student, folder)
    openvino = openvino_files(open_vino, files["optimum O2 fp32"], folder / "calibration.json", folder)
    product = write_product(folder / "product.onnx")
    mine, shipped = sys.executable, bundle.model_path
    alone = bundle.manifest.batching == "one_by_one"  # as it is served
    peers = {
        OURS: Peer(mine, "ours_one_by_one" if alone else "ours", shipped, threads),
        **({TOGETHER: Peer(mine, "ours", shipped, threads)} if alone else {}),
        FLOAT: Peer(mine, "ours", bundle.folder / "onnx/model.onnx", threads),
        **{name: Peer(str(optimum), "onnxruntime", file, threads) for name, file in files.items()},
        **{name: Peer(str(open_vino), "openvino", file, threads) for name, file in openvino.items()},
        PYTORCH: Peer(mine, "torch_eager", student, threads),
        "torch.compile": Peer(mine, "torch_compiled", student, threads),
    }
    products = {
        "ONNX Runtime": Peer(mine, "product_onnxruntime", product, threads),
        "OpenVINO": Peer(str(open_vino), "product_openvino", product, threads),
    }
    return peers, products


def agreement(peers: Mapping[str, Peer], check: Sequence[Arrays]) -> dict[str, float]:
    """The share of PyTorch's labels that each gives; ends where the bundle is of another student."""
    expected = peers[PYTORCH].labels(check)
    found = {}
    for name, peer in peers.items():
        found[name] = float(np.mean([a == b for a, b in zip(peer.labels(check), expected, strict=True)]))
        print(f"{name}: {found[name]:.3f} of PyTorch's labels", file=sys.stderr)
    if found[FLOAT] < 1:
        sys.exit(
            f"the bundle's float file gives {found[FLOAT]:.1%} of the student's labels: it was made of another "
            "student. Expected: a bundle and its weights. To do: give --student FOLDER"
        )
    return found


def measure(
    peers: Mapping[str, Peer],
    products: Mapping[str, Peer],
    bundle: Bundle,
    texts: Sequence[str],
    rounds: int,
    repeats: int = 3,
) -> tuple[Times, int, int]:
    """Times by shape and peer; how many rounds were clean and how many dropped.

    The large product is one more shape, for the peers in `products`. A busy machine may take `repeats` times as many.
    """
    random = np.random.default_rng(SEED)
    clean: list[dict[str, dict[str, list[float]]]] = []
    dropped: list[dict[str, dict[str, list[float]]]] = []
    while len(clean) < rounds and len(clean) + len(dropped) < repeats * rounds:
        turns: dict[str, dict[str, list[float]]] = {}
        given = {shape: batches(bundle, texts, shape, CALLS[shape], random) for shape in SHAPES}
        before = read()
        for shape in SHAPES:
            turns[shape] = {}
            for name in random.permutation(list(peers)):
                rest()
                turns[shape][str(name)] = peers[str(name)].times(given[shape])
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


def described(
    times: Times, agree: Mapping[str, float], rounds: tuple[int, int], operations: int, threads: int
) -> dict[str, object]:
    """Everything that was measured, as a JSON document holds it."""
    peak = {name: OPERATIONS / float(np.median(spent)) / 1e6 for name, spent in times[PRODUCT].items()}
    by_shape = {shape: times[shape] for shape in SHAPES}
    used = {
        name: operations / float(np.median(times["32 x 32"][name])) / 1e6
        for name in (OURS, TOGETHER)
        if name in agree
    }
    return {
        "threads": threads,
        "rounds": rounds[0],
        "dropped_rounds": rounds[1],
        "noisy": rounds[0] < MIN_CLEAN_ROUNDS,
        "labels_as_pytorch": dict(agree),
        "p50_ms": {s: {n: float(np.median(t)) for n, t in of.items()} for s, of in by_shape.items()},
        "over_ours": {s: {n: ratio(t, of[OURS], SEED) for n, t in of.items()} for s, of in by_shape.items()},
        "int8_peak_gops": peak,
        "gops": used,
        "share_of_peak": {name: value / max(peak.values()) for name, value in used.items()},
    }


def table(document: Mapping[str, object], times: Times) -> str:
    """The same as a markdown table: p50, and how many times as long as ours."""
    agree: dict[str, float] = document["labels_as_pytorch"]  # type: ignore[assignment]  # as `described` made it
    noisy = ", BESIDE BUSY NEIGHBOURS" if document["noisy"] else ""
    lines = [
        f"{document['threads']} thread(s), {document['rounds']} clean rounds, "
        f"{document['dropped_rounds']} dropped{noisy}",
        "",
        f"| | labels as PyTorch | {' | '.join(SHAPES)} |",
        f"|---|---|{'---|' * len(SHAPES)}",
    ]
    for name, labels in agree.items():
        cells = []
        for shape in SHAPES:
            value, (low, high) = ratio(times[shape][name], times[shape][OURS], SEED)
            cells.append(f"{np.median(times[shape][name]):.2f} ms ({value:.2f} [{low:.2f}, {high:.2f}])")
        lines.append(f"| {name} | {labels:.3f} | {' | '.join(cells)} |")
    peak: dict[str, float] = document["int8_peak_gops"]  # type: ignore[assignment]
    share: dict[str, float] = document["share_of_peak"]  # type: ignore[assignment]
    peaks = ", ".join(f"{name} {value:,.0f}" for name, value in peak.items())
    shares = "; ".join(f"{name}: {value:.0%} of the peak" for name, value in share.items())
    return "\n".join([*lines, "", f"{PRODUCT}: {peaks} GOP/s. At 32 x 32 {shares}"])


def main(options: argparse.Namespace) -> None:
    """Make what is missing, measure, tell."""
    bundle = read_bundle(options.run / "bundle")
    student = student_of(options.run, options.student).resolve()
    texts, where = source(bundle, options.texts)
    calibration = batches(bundle, texts, REAL, 128, np.random.default_rng(SEED + 1))
    peers, products = open_peers(
        bundle, student, calibration, options.environments.resolve(), options.threads
    )
    print(f"{len(peers)} peers are open; comparing their labels", file=sys.stderr)
    agree = agreement(peers, batches(bundle, texts, REAL, 200, np.random.default_rng(SEED + 2)))
    # What a peer compiles for a shape it has not seen is no part of a round.
    measure(peers, products, bundle, texts, 1, repeats=1)
    times, *rounds = measure(peers, products, bundle, texts, options.rounds)
    for peer in (*peers.values(), *products.values()):
        peer.close()
    operations = encoder_operations(AutoConfig.from_pretrained(student), *SHAPES["32 x 32"])  # type: ignore[arg-type]
    found = described(times, agree, (rounds[0], rounds[1]), operations, options.threads)
    document = {
        **found,
        "texts": where,
        "shipped": bundle.manifest.precision,
        "batching": bundle.manifest.batching,
        "machine": machine().model_dump(),
        "versions": versions(),
        "created": datetime.now(UTC).isoformat(timespec="seconds"),
    }
    if options.out is not None:
        options.out.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")
    facts = machine()
    print(f"\n{facts.processor} ({', '.join(facts.instruction_set)}), {facts.cores} cores; texts: {where}")
    print(table(found, times))


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("run", type=Path)
    parser.add_argument("--environments", type=Path, required=True)
    parser.add_argument("--student", type=Path, help="the weights; the run's last student by default")
    parser.add_argument("--texts", type=Path, help="a .txt file; the bundle's test rows by default")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--rounds", type=int, default=15)
    parser.add_argument("--out", type=Path)
    main(parser.parse_args())
