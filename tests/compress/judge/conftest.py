"""A report as a run on sst2 gives it, to vary in tests."""

from collections.abc import Callable

import pytest

from compress.judge.report import (
    Fidelity,
    Gate,
    Latency,
    Machine,
    ModelRow,
    Report,
    Speedup,
)


def _row(name: str, runtime: str, precision: str, size_mb: float, p50_ms: float) -> ModelRow:
    latency = Latency(p50_ms=p50_ms, p95_ms=1.2 * p50_ms, samples=600, threads=2)
    return ModelRow(
        name=name,
        runtime=runtime,
        precision=precision,
        score=0.892,
        score_ci=(0.871, 0.912),
        parameters=22_713_986 if name == "teacher" else 17_388_290,
        size_mb=size_mb,
        latency={"cpu": {"batch_1": latency, "batch_1_one_thread": latency}},
    )


@pytest.fixture
def make_report() -> Callable[..., Report]:
    """A passing report; keyword arguments replace its fields."""

    def make(**changes: object) -> Report:
        fields: dict[str, object] = {
            "verdict": "pass",
            "task": "text-classification",
            "metric": "accuracy",
            "shipped": "onnx-int8",
            "models": [
                _row("teacher", "torch", "fp32", 90.9, 5.4),
                _row("student", "torch", "fp32", 69.7, 3.1),
                _row("student", "onnxruntime", "fp32", 69.6, 1.1),
                _row("student", "onnxruntime", "int8", 8.9, 0.38),
            ],
            "fidelity": Fidelity(
                rows=872,
                retention=0.981,
                retention_ci=(0.970, 0.992),
                agreement=0.934,
                agreement_ci=(0.916, 0.949),
                kl=0.0412,
                ece_teacher=0.051,
                ece_student=0.044,
            ),
            "speedup": Speedup(
                p50=14.2,
                ci=(13.1, 15.0),
                threads=1,
                by_threads={"1": 14.2, "2": 14.6},
                rounds=30,
                dropped_rounds=2,
            ),
            "size_ratio": 10.2,
            "gates": [
                Gate(
                    name="min_retention",
                    threshold=0.96,
                    value=0.981,
                    ci=(0.970, 0.992),
                    status="pass",
                    rows_to_settle=None,
                    message="min_retention met: 0.981 [0.970, 0.992] is at least 0.96",
                )
            ],
            "parity": [],
            "notes": [],
            "labels": ["negative", "positive"],
            "rows": {"train": 67_349, "test": 872},
            "data_digest": "0" * 64,
            "recipe": {},
            "machine": Machine(
                processor="a processor", cores=2, instruction_set=[], platform="Linux", memory_gb=8.0
            ),
            "versions": {},
            "created": "2025-01-01T00:00:00Z",
            "seconds": {},
            "bundle": "bundle",
            "teacher": "teacher",
            "reproduce": "compress run recipe.yaml",
        }
        return Report.model_validate(fields | changes)

    return make
