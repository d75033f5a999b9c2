"""Gains pooled over comparisons: against plain numpy, and faults that are told."""

import json
from pathlib import Path

import numpy as np
import pytest
from pool_gains import main, pool

ROWS = 400


def write(folder: Path, method: str, seed: int, right: np.ndarray, digest: str = "same") -> None:
    folder.mkdir(parents=True, exist_ok=True)
    document = {
        "method": method,
        "seed": seed,
        "right": "".join(map(str, right.astype(int))),
        "data_digest": digest,
    }
    (folder / f"{method}-seed-{seed}.json").write_text(json.dumps(document))


def comparison(folder: Path, chances: dict[str, float], seeds: list[int], rows: int = ROWS) -> None:
    random = np.random.default_rng(rows)
    hardness = random.random(rows)
    for method, chance in chances.items():
        for seed in seeds:
            write(folder, method, seed, hardness + random.normal(0, 0.02, rows) < chance)


def run(folder: Path, right: dict[str, np.ndarray]) -> None:
    """As much of a finished run as its answers need; the second label is the right one of every row."""
    rows = len(next(iter(right.values())))
    (folder / "bundle").mkdir(parents=True)
    (folder / "report.json").write_text(json.dumps({"labels": ["no", "yes"], "recipe": {"seed": 13}}))
    (folder / "bundle/evaluation.jsonl").write_text(
        "".join(json.dumps({"label": "yes"}) + "\n" for _ in range(rows))
    )
    for name, one in right.items():
        stage = folder / f"stages/answers-{name}-0123456789"
        stage.mkdir(parents=True)
        np.save(stage / "probabilities.npy", np.stack([1 - one, one], axis=1).astype(np.float32))


def accuracy(folder: Path, method: str) -> float:
    files = sorted(folder.glob(f"{method}-seed-*.json"))
    return float(np.mean([json.loads(file.read_text())["right"].count("1") for file in files]))


def test_every_comparison_counts_the_same_and_the_interval_holds_the_value(tmp_path: Path) -> None:
    small, large = tmp_path / "small", tmp_path / "large"
    comparison(small, {"plain": 0.7, "logits": 0.8, "minilm": 0.7}, [1, 2, 3])
    comparison(large, {"plain": 0.8, "logits": 0.85, "minilm": 0.8}, [1, 2], rows=4 * ROWS)
    best, other = pool([small, large])
    assert (best.method, other.method) == ("logits", "minilm")
    gains = [
        (accuracy(folder, "logits") - accuracy(folder, "plain")) / rows
        for folder, rows in ((small, ROWS), (large, 4 * ROWS))
    ]
    assert best.gain.value == pytest.approx(np.mean(gains))
    assert best.gain.widest[0] > 0  # ten points and five are no chance on so many rows
    assert other.gain.widest[0] < 0 < other.gain.widest[1]
    assert best.seeds == {"small": 3, "large": 2}


def test_only_seeds_that_the_plain_student_has_are_pooled(tmp_path: Path) -> None:
    comparison(tmp_path / "a", {"plain": 0.7, "logits": 0.8}, [1, 2])
    write(tmp_path / "a", "logits", 3, np.zeros(ROWS))  # would pull the gain far below zero
    (found,) = pool([tmp_path / "a"])
    assert found.seeds == {"a": 2}
    assert found.gain.value > 0


@pytest.mark.parametrize(
    ("fault", "told"),
    [("no plain", "no document of the plain student"), ("other data", "2 different data sets")],
)
def test_faults_are_told(tmp_path: Path, fault: str, told: str) -> None:
    write(tmp_path / "a", "logits", 1, np.ones(9))
    if fault == "other data":
        write(tmp_path / "a", "plain", 1, np.ones(9), digest="other")
    with pytest.raises(SystemExit, match=told):
        pool([tmp_path / "a"])


def test_the_table_has_a_row_per_method(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    comparison(tmp_path / "sst2", {"plain": 0.7, "logits": 0.8, "tinybert+logits": 0.75}, [1, 2])
    main([tmp_path / "sst2"])
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].endswith("| sst2 |")
    assert [line.split(" | ")[0] for line in lines[2:]] == ["| logits", "| tinybert+logits"]


def test_a_finished_run_is_a_comparison_of_its_recipe(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    student, plain = np.ones(ROWS), (np.arange(ROWS) % 10 > 0).astype(int)
    float_file = np.zeros(ROWS)  # which was not the one that ships
    run(
        tmp_path / "run",
        {
            "student-onnxruntime-int8": student,
            "student-onnxruntime-fp32": float_file,
            "plain-student-onnxruntime-int8": plain,
        },
    )
    (found,) = pool([tmp_path / "run"])
    assert (found.method, found.seeds) == ("recipe", {"run": 1})
    assert found.gain.value == pytest.approx(0.1)
    main([tmp_path / "run"])
    assert "+10.0 (1 seed) |" in capsys.readouterr().out
    run(tmp_path / "without", {"student-onnxruntime-int8": student})
    with pytest.raises(SystemExit, match="0 sets of answers of the quantised plain-student"):
        pool([tmp_path / "without"])
