"""Did distillation help? The gains over the plain student, pooled over seeds, data sets and depths.

.venv/bin/python benchmarks/pool_gains.py benchmarks/results/compare-sst2-2-layers benchmarks/results/compare-emotion

Each folder holds one document per method and seed, as `compress compare` writes them into `compare-rows/`; a folder is
one comparison (a data set, a depth) and counts as much as any other, however many rows it has. Only methods that every
folder has are pooled, and of each folder the seeds that the method and the plain student share.

A folder may also be that of a finished `compress run` with `baseline: true`, whose method is then called `recipe`:

.venv/bin/python benchmarks/pool_gains.py runs/sst2 runs/mrpc runs/clinc150
"""

import json
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from compress.compare.document import PLAIN
from compress.judge.paired import PairedRuns, PooledDifference, pooled_difference

SEED = 13


@dataclass(frozen=True)
class Pooled:
    """One method against the plain student."""

    method: str
    gain: PooledDifference
    of_each: Mapping[str, float]  # folder name: mean gain over its seeds
    seeds: Mapping[str, int]  # folder name: how many were shared


def read_rows(folder: Path) -> dict[str, dict[int, np.ndarray]]:
    """Method, then seed, then 1 for each reported row answered rightly, (rows,)."""
    if (folder / "report.json").is_file():
        return read_run(folder)
    found: dict[str, dict[int, np.ndarray]] = {}
    digests = set()
    for file in sorted(folder.glob("*-seed-*.json")):
        document = json.loads(file.read_text(encoding="utf-8"))
        if document["right"] is None:
            sys.exit(f"{file}: its rows had no labels, so there is nothing to pool")
        found.setdefault(document["method"], {})[document["seed"]] = np.array(
            [int(one) for one in document["right"]]
        )
        digests.add(document["data_digest"])
    if PLAIN not in found:
        sys.exit(
            f"{folder}: no document of the plain student; expected {PLAIN}-seed-N.json, as compress compare writes"
        )
    if len(digests) > 1:
        sys.exit(
            f"{folder}: documents of {len(digests)} different data sets; keep one comparison to a folder"
        )
    return found


def read_run(folder: Path) -> dict[str, dict[int, np.ndarray]]:
    """The same of a finished run: its student as `recipe`, and its plain student, as the files that were judged."""
    report = json.loads((folder / "report.json").read_text(encoding="utf-8"))
    lines = (folder / "bundle/evaluation.jsonl").read_text(encoding="utf-8").splitlines()
    gold = np.array([report["labels"].index(json.loads(line)["label"]) for line in lines])
    found = {}
    for method, name in (("recipe", "student"), (PLAIN, "plain-student")):
        kept = sorted(folder.glob(f"stages/answers-{name}-onnxruntime-*/probabilities.npy"))
        shipped = [file for file in kept if "-fp32-" not in file.parent.name]
        if len(shipped) != 1:
            sys.exit(
                f"{folder}: {len(shipped)} sets of answers of the quantised {name}; expected one, of a run with "
                "baseline: true in a folder of its own"
            )
        right = (np.load(shipped[0]).argmax(axis=1) == gold).astype(int)
        found[method] = {int(report["recipe"]["seed"]): right}
    return found


def pool(folders: Sequence[Path]) -> list[Pooled]:
    """Every method that all folders have, the largest gain first."""
    comparisons = {folder.name: read_rows(folder) for folder in folders}
    methods = set.intersection(*(set(rows) for rows in comparisons.values())) - {PLAIN}
    pooled = []
    for method in methods:
        runs = {}
        for name, rows in comparisons.items():
            shared = sorted(rows[method].keys() & rows[PLAIN].keys())
            if not shared:
                sys.exit(f"{name}: {method} and {PLAIN} have no seed in common")
            ours = np.stack([rows[method][seed] for seed in shared])
            theirs = np.stack([rows[PLAIN][seed] for seed in shared])
            # A right answer is label 1, and so is every gold label: accuracy asks for no more.
            runs[name] = PairedRuns(np.ones(ours.shape[1], dtype=np.int64), ours, theirs)
        pooled.append(
            Pooled(
                method,
                pooled_difference(list(runs.values()), seed=SEED),
                {name: float(run.ours.mean() - run.theirs.mean()) for name, run in runs.items()},
                {name: len(run.ours) for name, run in runs.items()},
            )
        )
    return sorted(pooled, key=lambda one: -one.gain.value)


def _counted(seeds: int) -> str:
    return "1 seed" if seeds == 1 else f"{seeds} seeds"


def main(folders: Sequence[Path]) -> None:
    """A markdown table: points over the plain student, pooled and of each comparison."""
    if not folders:
        sys.exit(__doc__)
    pooled = pool(folders)
    names = [folder.name for folder in folders]
    print(f"| method | points over plain, pooled (95 %) | {' | '.join(names)} |")
    print("|---|---|" + "---|" * len(names))
    for one in pooled:
        low, high = one.gain.widest
        parts = [f"{100 * one.of_each[name]:+.1f} ({_counted(one.seeds[name])})" for name in names]
        points = f"{100 * one.gain.value:+.2f} [{100 * low:+.2f}, {100 * high:+.2f}]"
        print(f"| {one.method} | {points} | {' | '.join(parts)} |")


if __name__ == "__main__":
    main([Path(folder) for folder in sys.argv[1:]])
