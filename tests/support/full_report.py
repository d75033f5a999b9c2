"""A report that holds something of everything, every figure unlike the others."""

import random
from typing import Any

from compress.judge.report import Report

LABELS = ["billing", "delivery", "a <b>label</b> & more"]


def full_report(**changes: object) -> Report:
    """A passing report; keyword arguments replace its fields."""
    drawn = random.Random(7)

    def share(low: float = 0.6, high: float = 0.99) -> float:
        return drawn.uniform(low, high)

    def around(value: float) -> tuple[float, float]:
        return value - share(0.01, 0.02), value + share(0.01, 0.02)

    def latency(p50: float, threads: int) -> dict[str, Any]:
        factors = {"0.01": 0.71, "0.05": 0.8, "0.1": 0.85, "0.25": 0.93, "0.75": 1.13, "0.9": 1.31}
        factors |= {"0.5": 1.0, "0.95": 1.47, "0.99": 1.9}
        quantiles = {name: p50 * factor for name, factor in factors.items()}
        found = {"p50_ms": p50, "p95_ms": quantiles["0.95"], "samples": 600, "threads": threads}
        return {**found, "quantiles_ms": quantiles}

    def model(name: str, runtime: str, precision: str, size: float, p50: float) -> dict[str, Any]:
        score = share(0.85, 0.93)
        return {
            "name": name,
            "runtime": runtime,
            "precision": precision,
            "score": score,
            "score_ci": around(score),
            "parameters": int(size * 251_357),
            "size_mb": size,
            "latency": {"cpu": {"batch_1": latency(p50, 2), "batch_1_one_thread": latency(1.613 * p50, 1)}},
        }

    def part(low: float, high: float, rows: int) -> dict[str, Any]:
        agreement = share(0.7, 0.95)
        return {
            "low": low,
            "high": high,
            "rows": rows,
            "agreement": agreement,
            "agreement_ci": around(agreement),
        }

    def bins(rows: tuple[int, ...]) -> list[dict[str, Any]]:
        edges = [number / 15 for number in range(15 - len(rows), 16)]
        return [
            {
                "low": low,
                "high": high,
                "rows": count,
                "confidence": share(low, high),
                "accuracy": share(0.3, 1),
            }
            for low, high, count in zip(edges[:-1], edges[1:], rows, strict=True)
        ]

    def fidelity() -> dict[str, Any]:
        retention, agreement = share(0.95, 0.99), share(0.9, 0.95)
        return {
            "rows": 873,
            "retention": retention,
            "retention_ci": around(retention),
            "agreement": agreement,
            "agreement_ci": around(agreement),
            "kl": share(0.03, 0.06),
            "ece_teacher": share(0.02, 0.06),
            "ece_student": share(0.02, 0.06),
        }

    def held() -> dict[str, Any]:
        score, drop = share(), share(0.01, 0.05)
        return {"score": score, "score_ci": around(score), "drop": drop, "drop_ci": around(drop)}

    def tried(name: str, chosen: bool, why: str, **more: object) -> dict[str, Any]:
        fields = {"name": name, "precision": "int8", "score": share(), "loss": share(0.001, 0.01)}
        fields |= {
            "p50_ms": share(0.3, 0.7),
            "speedup": share(2, 3),
            "size_mb": share(7, 9),
            "kept_float": [],
        }
        return {**fields, "status": "passed", "why": why, "chosen": chosen, **more}

    flips = [(LABELS[0], LABELS[1], 27), (LABELS[2], LABELS[0], 11), (LABELS[1], LABELS[2], 3)]
    points = [(step, 2.371 * 0.83**number) for number, step in enumerate(range(50, 1001, 50))]
    fields: dict[str, Any] = {
        "verdict": "pass",
        "task": "text-classification",
        "metric": "macro_f1",
        "shipped": "onnx-int8",
        "models": [
            model("teacher", "torch", "fp32", 90.87, 17.263),
            model("teacher", "onnxruntime", "fp32", 91.39, 6.281),
            model("plain student", "onnxruntime", "int8", 17.71, 1.713),
            model("student", "onnxruntime", "fp32", 69.85, 3.106),
            model("student", "onnxruntime", "int8", 17.73, 1.673),
        ],
        "fidelity": {
            **fidelity(),
            "mcnemar": {"only_teacher": 31, "only_shipped": 18, "p_value": 0.0853},
            "flips": [dict(zip(("teacher", "shipped", "rows"), flip, strict=True)) for flip in flips],
            "alike": {LABELS[0]: 403, LABELS[1]: 297, LABELS[2]: 132},
            "by_length": [part(6, 68, 223), part(69, 103, 215), part(104, 139, 219), part(140, 1244, 216)],
            "by_confidence": [part(0.353, 0.7285, 219), part(0.7288, 0.9841, 218), part(0.9842, 0.9933, 436)],
            "reliability_teacher": bins((6, 14, 20, 29, 28, 41, 71, 664)),
            "reliability_student": bins((13, 19, 27, 26, 34, 31, 77, 646)),
        },
        "by_teacher": {"teacher 1 torch fp32": fidelity(), "teacher 2 torch fp32": fidelity()},
        "baseline": {
            "gain": 0.0237,
            "gain_ci": (0.0046, 0.0419),
            "only_distilled": 52,
            "only_plain": 33,
            "p_value": 0.0491,
        },
        "invariance": {
            "rows": 201,
            "batching": "one_by_one",
            "threads": 2,
            "cases": [
                {"name": "all in one call", "counted": True, "largest_change": 0.0, "flips": 0},
                {
                    "name": "true batches: all in one call",
                    "counted": False,
                    "largest_change": 0.119,
                    "flips": 4,
                },
            ],
            "flips": 0,
        },
        "batches": {
            "together": True,
            "texts": 16,
            "tokens": 1283,
            "curve": [
                {"texts": size, "per_second": rate} for size, rate in ((1, 597.3), (4, 811.9), (16, 983.6))
            ],
        },
        "generalization": [
            {
                "name": name,
                "kind": "file",
                "rows": rows,
                "teacher": held(),
                "shipped": held(),
                "agreement": share(),
                "agreement_ci": (0.871, 0.927),
            }
            for name, rows in (("typos", 501), ("reviews from elsewhere", 1203))
        ],
        "cascade": {
            "below": 0.717,
            "share": 0.083,
            "score": 0.9347,
            "student": 0.9213,
            "teacher": 0.9389,
            "rows": 2003,
        },
        "ladder": [
            tried("float", False, "the file that others are held against", precision="fp32"),
            tried("dynamic int8", True, "was 2.9 times as fast", kept_float=["node_a", "node_b"]),
            tried("int4 weights", False, "lost 2.1 points", p50_ms=None, speedup=None, status="missed"),
        ],
        "speedup": {
            "p50": 10.411,
            "ci": (9.631, 11.203),
            "threads": 2,
            "by_threads": {"1": 11.045, "2": 10.411},
            "rounds": 29,
            "dropped_rounds": 3,
        },
        "size_ratio": 5.124,
        "gates": [
            {
                "name": name,
                "threshold": threshold,
                "value": value,
                "ci": ci,
                "status": "pass",
                "rows_to_settle": None,
                "message": f"{name} met: {value:.3f} is at least {threshold}",
            }
            for name, threshold, value, ci in (
                ("min_retention", 0.951, 0.981, (0.9703, 0.9921)),
                ("min_speedup", 4, 10.411, (9.631, 11.203)),
            )
        ],
        "parity": [
            {
                "file": "model.onnx",
                "measure": "max_abs_difference",
                "difference": 3.1e-6,
                "tolerance": 2.9e-4,
                "texts": 53,
                "batch_sizes": [1, 3, 8],
                "lengths": [3, 11, 62],
            }
        ],
        "exports": [
            {
                "model": "student",
                "name": name,
                "opset": opset,
                "proven": True,
                "chosen": chosen,
                "p50_ms": p50,
                "reason": None,
            }
            for name, opset, chosen, p50 in (("opset-23", 23, True, 1.957), ("portable", 17, False, 2.214))
        ],
        "trainings": [
            {
                "stage": stage,
                "steps": 1003,
                "loss": points,
                "score": [(step, 0.93 - 0.1 * loss) for step, loss in points[4::5]],
                "kept": 750,
            }
            for stage in ("teacher", "student-1-tinybert")
        ],
        "notes": [
            "57 rows of train stand in test, too: they were kept out of train",
            "a note <script>alert(1)</script>",
        ],
        "labels": LABELS,
        "rows": {"train": 65_349, "validation": 2003, "test": 873},
        "data_digest": "0f" * 32,
        "recipe": {"data": {"path": "data/<tickets>.csv"}, "student": {"layers": 3}, "seed": 13},
        "machine": {
            "processor": "Test Processor 9000",
            "cores": 2,
            "instruction_set": ["avx2"],
            "platform": "Linux-6.18",
            "memory_gb": 25.3,
        },
        "versions": {"onnxruntime": "1.31.1"},
        "created": "2026-11-21T09:00:00+00:00",
        "seconds": {"teacher": 399.2, "student-1-tinybert": 806.4},
        "bundle": "runs/tickets/bundle",
        "teacher": "runs/tickets/stages/teacher-0123456789",
        "reproduce": "compress run tickets.yaml --set 'data.path=<tickets>.csv'",
    }
    return Report.model_validate(fields | changes)
