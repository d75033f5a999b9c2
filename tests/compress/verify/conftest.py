"""A bundle that is right in every part: a model made by hand, a teacher that parts from it on some rows."""

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from packed import hash_again, write_rows

import serve
from compress.judge.latency import Plan
from compress.judge.report import Report

ROWS = 200
WORDS = ["good", "fine", "great", "bad", "dull", "awful", "film", "music", "the", "plot", "ending"]


@pytest.fixture(scope="session")
def judged_bundle(
    bundle_folder: Path, report: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """200 test rows: the teacher is right on nine of ten, the student gives its answer on 19 of 20."""
    folder = tmp_path_factory.mktemp("judged") / "bundle"
    shutil.copytree(bundle_folder, folder)
    random = np.random.default_rng(0)
    texts = [" ".join(random.choice(WORDS, size=random.integers(1, 12))) for _ in range(ROWS)]
    answers = serve.load(folder, threads=1).predict(texts)
    rows = []
    for number, (text, answer) in enumerate(zip(texts, answers, strict=True)):
        shipped = answer.probabilities["positive"]
        positive = float(np.clip(1 - shipped if number % 20 == 0 else shipped, 0.02, 0.98))
        label = "positive" if positive > 0.5 else "negative"
        gold = {"positive": "negative", "negative": "positive"}[label] if number % 10 == 3 else label
        probabilities = {"negative": round(1 - positive, 6), "positive": round(positive, 6)}
        teacher = {"label": label, "probabilities": probabilities}
        rows.append({"id": number, "text": text, "label": gold, "teacher": teacher})
    write_rows(folder, rows)
    right = np.mean([answer.label == row["label"] for answer, row in zip(answers, rows, strict=True)])
    scores = {("teacher", "torch"): 0.9, ("student", "onnxruntime"): float(right)}
    document = json.loads(json.dumps(report)) | {
        "models": [
            {**row, "score": scores[row["name"], row["runtime"]]}
            for row in report["models"]
            if (row["name"], row["runtime"]) in scores
        ],
        "fidelity": {**report["fidelity"], "rows": ROWS},
        "recipe": {
            "seed": 13,
            "metric": "accuracy",
            "gates": {
                "min_retention": 0.8,
                "min_agreement": 0.8,
                "min_speedup": 4,
                "max_invariance_flips": 0,
            },
        },
    }
    (folder / "report.json").write_text(Report.model_validate(document).model_dump_json())
    hash_again(folder)
    return folder


@pytest.fixture
def copied(judged_bundle: Path, tmp_path: Path) -> Path:
    """A copy to alter."""
    return shutil.copytree(judged_bundle, tmp_path / "bundle")


@pytest.fixture
def quick(monkeypatch: pytest.MonkeyPatch) -> None:
    """Latency is measured in a moment."""
    monkeypatch.setattr("compress.verify.pipeline.pilot", lambda *_, **__: Plan(5, 5))
