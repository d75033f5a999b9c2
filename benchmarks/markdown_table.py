"""Prints a report as the markdown tables that docs/results.md and the README hold, the ladder's among them.

.venv/bin/python benchmarks/markdown_table.py runs/sst2/report.json
"""

import sys
from pathlib import Path

from compress.judge.report import LadderRow, ModelRow, Report
from compress.judge.wording import percent, sentence

RUNTIMES = {"torch": "PyTorch", "onnxruntime": "ONNX Runtime"}


def line(row: ModelRow) -> str:
    """One model: score with interval, size, p50 and p95 at one thread and at all."""
    low, high = row.score_ci
    all_threads, one = row.latency["cpu"]["batch_1"], row.latency["cpu"]["batch_1_one_thread"]
    return (
        f"| {row.name} | {RUNTIMES[row.runtime]} {row.precision} | {row.score:.4f} [{low:.4f}, {high:.4f}] "
        f"| {row.parameters / 1e6:.1f} M | {row.size_mb:.1f} "
        f"| {one.p50_ms:.2f} / {one.p95_ms:.2f} | {all_threads.p50_ms:.2f} / {all_threads.p95_ms:.2f} |"
    )


def rung(row: LadderRow) -> str:
    """One way to quantise: score on the selection rows, p50 and speed-up, size, why it ships or not."""
    cells = [
        f"{row.name}, {len(row.kept_float)} nodes in float" if row.kept_float else row.name,
        f"{row.score:.4f}",
        "" if row.p50_ms is None else f"{row.p50_ms:.2f}",
        "" if row.speedup is None else f"{row.speedup:.2f}",
        f"{row.size_mb:.1f}",
    ]
    if row.chosen:
        cells = [f"**{cell}**" if cell else "" for cell in cells]
    return f"| {' | '.join([*cells, f'**ships**: {row.why}' if row.chosen else row.why])} |"


def ladder(report: Report) -> list[str]:
    """What was tried, where the recipe leaves the choice of the quantiser; nothing otherwise."""
    if not report.ladder:
        return []
    head = f"| quantiser | {report.metric} | p50 ms | times as fast as float | MB | |"
    return ["", head, "|---|---|---|---|---|---|", *map(rung, report.ladder)]


def main(path: Path) -> None:
    """The tables, the fidelity of what ships, the gates, the seconds."""
    report = Report.model_validate_json(path.read_text(encoding="utf-8"))
    threads = report.models[0].latency["cpu"]["batch_1"].threads
    print(
        f"| model | runtime | {report.metric} (95 %) | parameters | MB | p50 / p95 ms, 1 thread | {threads} threads |"
    )
    print("|---|---|---|---|---|---|---|")
    print("\n".join([*map(line, report.models), *ladder(report)]))
    found, fast = report.fidelity, report.speedup
    assert found.retention is not None
    assert found.retention_ci is not None
    assert fast is not None
    print(f"\n{sentence(report)}\n")
    print(f"- retention {percent(found.retention, found.retention_ci)}, {found.rows:,} rows")
    print(f"- agreement {percent(found.agreement, found.agreement_ci)}, KL {found.kl:.3f} nats")
    print(f"- ECE {found.ece_student:.3f} (teacher {found.ece_teacher:.3f})")
    print(
        f"- speed-up {fast.p50:.1f} [{fast.ci[0]:.1f}, {fast.ci[1]:.1f}], "
        f"by threads {fast.by_threads}, {fast.rounds} clean rounds, {fast.dropped_rounds} dropped"
    )
    print("\n".join(f"- {gate.status}: {gate.message}" for gate in report.gates))
    print(
        f"- {report.machine.processor}, {report.machine.cores} cores, {', '.join(report.machine.instruction_set)}"
    )
    print(f"- versions {report.versions}")
    print(f"- seconds {report.seconds}, together {sum(report.seconds.values()):.0f}")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
