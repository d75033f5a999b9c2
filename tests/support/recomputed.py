"""What a report says of fidelity, counted again by a plain script: from evaluation.jsonl and the bundle's own answers.

No numpy and nothing of ours but the runtime: loops over rows, as someone would check the report by hand.
"""

import json
from collections import Counter
from math import ceil, log
from pathlib import Path
from typing import Any

import pytest

import serve
from compress.judge.report import Fidelity


def recomputed(bundle: Path) -> dict[str, Any]:
    """Score and fidelity of the file that ships, by the names that the report has for them."""
    lines = (bundle / "evaluation.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [json.loads(line) for line in lines]
    labels = json.loads((bundle / "report.json").read_text(encoding="utf-8"))["labels"]
    asked = [(row["text"], row["text_pair"]) if "text_pair" in row else row["text"] for row in rows]
    answers = serve.load(bundle, threads=1).predict(asked)
    pairs = [(row["teacher"]["label"], answer.label) for row, answer in zip(rows, answers, strict=True)]
    gold = [row["label"] for row in rows]
    teacher = [row["teacher"]["probabilities"] for row in rows]
    shipped = [answer.probabilities for answer in answers]
    right_teacher = [one == label for (one, _), label in zip(pairs, gold, strict=True)]
    right_shipped = [one == label for (_, one), label in zip(pairs, gold, strict=True)]
    flips = Counter(pair for pair in pairs if pair[0] != pair[1])
    alike = Counter(one for one, other in pairs if one == other)
    return {
        "rows": len(rows),
        "score": sum(right_shipped) / len(rows),
        "retention": sum(right_shipped) / sum(right_teacher),
        "agreement": sum(one == other for one, other in pairs) / len(rows),
        "kl": sum(
            sum(p[label] * log(max(p[label], 1e-12) / max(q[label], 1e-12)) for label in labels)
            for p, q in zip(teacher, shipped, strict=True)
        )
        / len(rows),
        "ece_teacher": calibration_error(teacher, right_teacher),
        "ece_student": calibration_error(shipped, right_shipped),
        "only_teacher": sum(
            one and not other for one, other in zip(right_teacher, right_shipped, strict=True)
        ),
        "only_shipped": sum(
            other and not one for one, other in zip(right_teacher, right_shipped, strict=True)
        ),
        "flips": dict(flips),
        "alike": dict(alike),
        "reliability_student": reliability(shipped, right_shipped),
        "reliability_teacher": reliability(teacher, right_teacher),
        "length": [len(row["text"]) + len(row.get("text_pair", "")) for row in rows],
        "confidence": [max(row.values()) for row in teacher],
        "same": [one == other for one, other in pairs],
        "gold": gold,
        "answers": {"teacher": [one for one, _ in pairs], "student": [other for _, other in pairs]},
    }


def reliability(probabilities: list[dict[str, float]], right: list[bool]) -> list[tuple[int, float, float]]:
    """Rows, mean confidence and accuracy of each bin of a fifteenth that holds a row."""
    bins: dict[int, list[tuple[float, bool]]] = {}
    for row, is_right in zip(probabilities, right, strict=True):
        confidence = max(row.values())
        bins.setdefault(ceil(confidence * 15), []).append((confidence, is_right))
    return [
        (
            len(rows),
            sum(sure for sure, _ in rows) / len(rows),
            sum(is_right for _, is_right in rows) / len(rows),
        )
        for _, rows in sorted(bins.items())
    ]


def calibration_error(probabilities: list[dict[str, float]], right: list[bool]) -> float:
    """The mean distance of confidence from accuracy, weighted by rows."""
    parts = reliability(probabilities, right)
    return sum(rows * abs(sure - accuracy) for rows, sure, accuracy in parts) / len(right)


def agrees_with(found: Fidelity, again: dict[str, Any]) -> None:
    """The report's figures are the script's; the teacher's probabilities have six decimals in the file."""
    for name in ("rows", "retention", "agreement", "ece_student"):
        assert getattr(found, name) == pytest.approx(again[name]), name
    for name in ("kl", "ece_teacher"):
        assert getattr(found, name) == pytest.approx(again[name], abs=1e-5), name
    assert found.mcnemar is not None
    assert (found.mcnemar.only_teacher, found.mcnemar.only_shipped) == (
        again["only_teacher"],
        again["only_shipped"],
    )
    assert {(flip.teacher, flip.shipped): flip.rows for flip in found.flips} == again["flips"]
    assert found.alike == again["alike"]
    for name in ("reliability_student", "reliability_teacher"):
        bins = [(part.rows, part.confidence, part.accuracy) for part in getattr(found, name)]
        assert [value for part in bins for value in part] == pytest.approx(
            [value for part in again[name] for value in part], abs=1e-5
        )
    for name in ("length", "confidence"):
        slices = getattr(found, f"by_{name}")
        assert sum(part.rows for part in slices) == found.rows
        for part in slices:
            # The file has six decimals: whoever is as near as that to an end may lie on either side of it.
            pairs = list(zip(again[name], again["same"], strict=True))
            surely, perhaps = (
                [same for value, same in pairs if part.low - near <= value <= part.high + near]
                for near in (-1e-6, 1e-6)
            )
            assert len(surely) <= part.rows <= len(perhaps), name
            assert sum(surely) - 1e-9 <= part.agreement * part.rows <= sum(perhaps) + 1e-9, name
