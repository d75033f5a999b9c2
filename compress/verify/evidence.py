"""What a bundle is judged by: rows, their labels, the teacher's answers to them."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from pydantic import ValidationError

from compress.judge.metrics import Metric, score
from compress.judge.report import Report
from serve.bundle import EVALUATION, REPORT, Bundle
from serve.errors import BundleError
from serve.inputs import Input

_ROUNDED = 2e-6  # probabilities in evaluation.jsonl have six decimals
_REBUILD = "make the bundle again with `compress run`, or copy it again from where it was made"


@dataclass(frozen=True)
class Evidence:
    """Rows to judge by."""

    source: str  # where they are from, for people
    texts: Sequence[Input]
    gold: NDArray[np.int64] | None  # label ids, (rows,); None where not every row has a label
    teacher: NDArray[np.float64] | None  # its probabilities, (rows, labels); None where they are not known


def read_report(bundle: Bundle) -> Report:
    """The report in the bundle; raises `BundleError` where there is none that this version reads."""
    path = bundle.folder / REPORT
    if REPORT not in bundle.manifest.files:
        raise BundleError(f"{bundle.folder} has no {REPORT}", "the report of the run that made it", _REBUILD)
    try:
        report = Report.model_validate_json(path.read_text(encoding="utf-8"))
    except ValidationError as error:
        first = error.errors()[0]
        place = ".".join(map(str, first["loc"])) or "the file"
        raise BundleError(
            f"{path}: {place}: {first['msg']}",
            "a report as this version writes it",
            "install the version of compress-toolchain that made it, or make the bundle again",
        ) from None
    if report.labels != bundle.manifest.labels:
        raise BundleError(
            f"{path} has the labels {', '.join(report.labels[:6])}, in this order",
            f"the order of the model's outputs: {', '.join(bundle.manifest.labels[:6])}",
            _REBUILD,
        )
    return report


def read_evidence(bundle: Bundle, report: Report, metric: Metric) -> Evidence:
    """The bundle's own test rows; raises `BundleError` where they are not those that the report speaks of.

    Hashes tell that a file is the one that was packed, not that it is right: so each of the teacher's answers must be
    the most probable label of its row, and together they must give the teacher's score in the report.
    """
    path = bundle.folder / EVALUATION
    if EVALUATION not in bundle.manifest.files:
        raise BundleError(
            f"{bundle.folder} holds no test rows ({EVALUATION})",
            "the rows of the run, or other rows with labels",
            "give a file with --data, or make the bundle with `bundle: {rows: true}`",
        )
    found = evaluation_rows(path, bundle.manifest.labels)
    if found.teacher is None or len(found.texts) != report.fidelity.rows:
        raise BundleError(
            f"{path} holds {len(found.texts):,} rows with {'no' if found.teacher is None else 'the'} teacher's answers",
            f"the {report.fidelity.rows:,} rows that the report speaks of, each with the teacher's answer",
            _REBUILD,
        )
    reported = next((row.score for row in report.models if row.name == "teacher"), None)
    if found.gold is not None and report.metric is not None and reported is not None:
        again = score(metric, found.gold, found.teacher.argmax(axis=1), len(bundle.manifest.labels))
        if abs(again - reported) > _ROUNDED:
            raise BundleError(
                f"by the labels and answers in {path} the teacher's {metric} is {again:.4f}",
                f"{reported:.4f}, as the report has it; labels may stand there in another order",
                _REBUILD,
            )
    return found


def evaluation_rows(path: Path, labels: Sequence[str]) -> Evidence:
    """The rows of a file like evaluation.jsonl: `text`, and where it has them `label` and `teacher`.

    Raises `BundleError` with the line for what is no such row. Where a row has no label, none is used; the same of
    the teacher's answers.
    """
    texts: list[Input] = []
    gold: list[int | None] = []
    teacher: list[list[float] | None] = []
    for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
        place = f"{path}, line {number}"
        row = _object(line, place)
        texts.append(_text(row, place))
        gold.append(_label_id(row.get("label"), labels, place))
        teacher.append(_probabilities(row.get("teacher"), labels, place))
    if not texts:
        raise BundleError(f"{path} has no rows", "a row in each line", _REBUILD)
    known = [label for label in gold if label is not None]
    answers = [row for row in teacher if row is not None]
    return Evidence(
        path.name,
        texts,
        np.asarray(known, dtype=np.int64) if len(known) == len(texts) else None,
        np.asarray(answers, dtype=np.float64) if len(answers) == len(texts) else None,
    )


def _object(line: str, place: str) -> Mapping[str, object]:
    try:
        row = json.loads(line)
    except ValueError:
        row = None
    if not isinstance(row, dict):
        raise BundleError(f"{place} is no JSON object", '{"text": ..., "label": ...}', "mend the line")
    return row


def _text(row: Mapping[str, object], place: str) -> Input:
    text, second = row.get("text"), row.get("text_pair")
    if not isinstance(text, str) or not isinstance(second, str | None):
        raise BundleError(f"{place} has no text", 'a string as "text"', "mend the line")
    return text if second is None else (text, second)


def _label_id(label: object, labels: Sequence[str], place: str) -> int | None:
    if label is None:
        return None
    if label not in labels:
        raise BundleError(
            f"{place} has the label {label!r}", f"one of {', '.join(labels[:8])}", "mend the line"
        )
    return labels.index(str(label))


def _probabilities(teacher: object, labels: Sequence[str], place: str) -> list[float] | None:
    """The teacher's probabilities in the order of the labels; its label is the most probable one."""
    if teacher is None:
        return None
    answer = teacher if isinstance(teacher, dict) else {}
    found = answer.get("probabilities")
    if (
        not isinstance(found, dict)
        or set(found) != set(labels)
        or not all(isinstance(value, float | int) for value in found.values())
    ):
        raise BundleError(
            f"{place}: the teacher's answer has probabilities of {', '.join(found or ['nothing'])}",
            f"a probability for each of {', '.join(labels[:8])}",
            _REBUILD,
        )
    row = [float(found[label]) for label in labels]
    label = _label_id(answer.get("label"), labels, place)
    if label is None or row[label] < max(row) - _ROUNDED:
        likely = labels[row.index(max(row))]
        raise BundleError(
            f"{place}: the teacher's label is {answer.get('label')}, and its most probable label is {likely}",
            "the most probable label as the answer; labels may stand there in another order",
            _REBUILD,
        )
    # Of labels that six decimals make equal the answer counts.
    row[label] = float(np.nextafter(max(row), 2.0))
    return row
