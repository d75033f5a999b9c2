"""Every number that the page shows is the report's, and the report's is what the rows and the bundle's answers give.

The bundle's report is made here by the project's own judge; the third party is plain Python over `evaluation.jsonl`
and the bundle's own answers.
"""

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from gradio import Blocks

from app.evaluation import read_rows
from app.page import build_page
from app.selection import counts
from app.subject import Subject, subject
from app.views.cards import head
from app.views.confusion import confusion, matrix
from app.views.reliability import reliability
from app.views.rows import against_report, listed
from app.views.table import figures
from compress.judge.fidelity import fidelity, stack_probabilities
from serve.runtime import OnnxRuntime
from serve.tasks import Answer

LABELS = ["negative", "positive"]
ROWS = 400


@pytest.fixture(scope="module")
def evaluation(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Many test rows, on which the teacher is right more often than the tiny bundle is."""
    path = tmp_path_factory.mktemp("numbers") / "evaluation.jsonl"
    vocabulary = sorted(json.loads((bundle_folder / "tokenizer.json").read_text())["model"]["vocab"])
    words = [word for word in vocabulary if word.isalpha()]
    draw = random.Random(3)
    with path.open("w", encoding="utf-8") as stream:
        for number in range(ROWS):
            positive = round(draw.betavariate(0.7, 0.6), 4)
            gold = LABELS[positive > draw.uniform(0.2, 0.8)]
            taught = {"negative": round(1 - positive, 4), "positive": positive}
            teacher = {"label": LABELS[positive > 0.5], "probabilities": taught}
            text = " ".join(draw.choices(words, k=5))
            stream.write(json.dumps({"id": number, "text": text, "label": gold, "teacher": teacher}) + "\n")
    return path


@pytest.fixture(scope="module")
def plain(evaluation: Path, student: OnnxRuntime) -> list[tuple[str, dict[str, float], dict[str, float]]]:
    """What a plain script reads: the right answer, the teacher's and the student's probabilities of each row."""
    lines = [json.loads(line) for line in evaluation.read_text().splitlines()]
    answers = student.predict([line["text"] for line in lines])
    return [
        (line["label"], line["teacher"]["probabilities"], answer.probabilities)
        for line, answer in zip(lines, answers, strict=True)
    ]


@pytest.fixture(scope="module")
def judged(evaluation: Path, student: OnnxRuntime, report: dict[str, Any]) -> dict[str, Any]:
    """The report as the judge writes it for these rows."""
    rows = read_rows(evaluation)
    answers: list[Answer] = student.predict([row.text for row in rows])
    teacher = np.array([[row.teacher.probabilities[label] for label in LABELS] for row in rows])
    gold = np.array([LABELS.index(str(row.label)) for row in rows])
    found = fidelity(
        teacher, stack_probabilities(answers, LABELS), gold, "accuracy", seed=1, resamples=200, labels=LABELS
    )
    changed = json.loads(json.dumps(report))
    changed["fidelity"] = json.loads(found.model_dump_json())
    for model in changed["models"]:
        probabilities = teacher if model["name"] == "teacher" else stack_probabilities(answers, LABELS)
        model["score"] = float((probabilities.argmax(axis=1) == gold).mean())
    return changed


@pytest.fixture(scope="module")
def about(evaluation: Path, student: OnnxRuntime, judged: dict[str, Any]) -> Subject:
    found = subject("t", judged, read_rows(evaluation), student)
    found.rows.finish(60)
    assert found.rows.failure is None
    return found


def best(probabilities: dict[str, float]) -> str:
    return max(probabilities, key=lambda label: probabilities[label])


def words(html: str) -> str:
    return re.sub(r"\s+", " ", re.sub(r"<[^>]+>", " ", html))


def test_scores_retention_and_agreement(judged: dict[str, Any], plain: list[Any]) -> None:
    taught = sum(best(teacher) == gold for gold, teacher, _ in plain) / ROWS
    learnt = sum(best(student) == gold for gold, _, student in plain) / ROWS
    agreed = sum(best(teacher) == best(student) for _, teacher, student in plain) / ROWS
    assert learnt != taught
    for shown in (words(head(judged, "t")), words(figures(judged))):
        for share in (taught, learnt, learnt / taught, agreed):
            assert f"{share:.1%}" in shown
    assert f"{ROWS} test rows" in head(judged, "t")
    interval = judged["fidelity"]["agreement_ci"]
    assert f"{interval[0]:.1%} to {interval[1]:.1%}" in words(head(judged, "t"))


def test_kinds_of_disagreement(judged: dict[str, Any], plain: list[Any], about: Subject) -> None:
    seen = Counter(
        (best(teacher) == gold, best(student) == gold, best(teacher) == best(student))
        for gold, teacher, student in plain
    )
    found = counts(about.rows.done)
    tests = judged["fidelity"]["mcnemar"]
    assert found["all"] == ROWS == judged["fidelity"]["rows"]
    assert found["student_wrong"] == tests["only_teacher"] == seen[True, False, False] > 0
    assert found["teacher_wrong"] == tests["only_shipped"] == seen[False, True, False] > 0
    assert found["both_wrong"] == seen[False, False, True] + seen[False, False, False]
    assert found["differ"] == sum(flip["rows"] for flip in judged["fidelity"]["flips"])
    assert found["differ"] == sum(count for (*_, same), count in seen.items() if not same)
    assert "as in the report" in against_report(judged, about.rows.done)
    assert "verify" in against_report(judged, about.rows.done[1:])


def test_the_matrix(judged: dict[str, Any], plain: list[Any], about: Subject) -> None:
    expected = Counter((best(teacher), best(student)) for _, teacher, student in plain)
    found = matrix(about.rows.done, LABELS)
    assert found == {(one, two): expected[one, two] for one in LABELS for two in LABELS}
    assert sum(found.values()) == ROWS
    for flip in judged["fidelity"]["flips"]:
        assert found[flip["teacher"], flip["shipped"]] == flip["rows"]
    cells = re.findall(r"<td class=\"\w+\"[^>]*>([\d,]+)</td>", confusion(about.rows.done, LABELS))
    assert [int(cell) for cell in cells] == list(found.values())
    # With labels too many for a matrix, the most frequent pairs.
    many = [*LABELS, *(f"label {number}" for number in range(20))]
    top = judged["fidelity"]["flips"][0]
    assert f"{top['teacher']} {top['shipped']} {top['rows']}" in words(confusion(about.rows.done, many))


@pytest.mark.parametrize(("name", "place"), [("Teacher", 1), ("Student", 2)])
def test_the_reliability_plots(judged: dict[str, Any], plain: list[Any], name: str, place: int) -> None:
    inside: dict[int, list[tuple[float, bool]]] = {}
    for row in plain:
        label = best(row[place])
        number = next(at for at in range(15) if row[place][label] <= (at + 1) / 15)
        inside.setdefault(number, []).append((row[place][label], label == row[0]))
    html = reliability(judged)
    figure = html.partition(f'<figure class="{name.lower()}">')[2].partition("</figure>")[0]
    table = words(html.partition("<summary>")[2].partition(f">{name}<")[2].partition("</table>")[0])
    error = 0.0
    assert figure.count("<circle") == len(inside)
    for number, rows in sorted(inside.items()):
        confidence = sum(score for score, _ in rows) / len(rows)
        right = sum(hit for _, hit in rows) / len(rows)
        error += abs(confidence - right) * len(rows) / ROWS
        assert f"confidence {confidence:.1%}: {right:.1%} right, {len(rows):,} rows" in figure
        assert (
            f"{number / 15:.0%} to {(number + 1) / 15:.0%} {len(rows):,} {confidence:.1%} {right:.1%}"
            in table
        )
    assert f"calibration error {error:.3f}" in figure
    assert f"{error:.3f}" in words(figures(judged))
    heights = [float(y) for y in re.findall(r'cy="([\d.]+)"', figure)]
    expected = [208 - 200 * sum(hit for _, hit in rows) / len(rows) for _, rows in sorted(inside.items())]
    assert heights == pytest.approx(expected, abs=0.06)


def test_the_rows(plain: list[Any], about: Subject) -> None:
    shown = listed(about.rows.done, ROWS)
    lines = re.findall(r'data-row="(\d+)">(.*?)</a>', shown)
    assert [int(number) for number, _ in lines] == list(range(ROWS))
    for (_, line), (gold, teacher, student) in zip(lines, plain, strict=True):
        for who, probabilities in (("teacher", teacher), ("student", student)):
            mark = "\u2713" if best(probabilities) == gold else "\u2717"
            assert f"{mark} {who}: {best(probabilities)} {probabilities[best(probabilities)]:.0%}" in line
        assert f"right: {gold}" in line


def test_the_page_holds_these_very_views(about: Subject, judged: dict[str, Any]) -> None:
    """Whoever changes the page to show something else must come here."""
    page: Blocks = build_page(about)
    shown = [str(block.value) for block in page.blocks.values() if getattr(block, "value", None)]
    for html in (head(judged, "t"), figures(judged), reliability(judged)):
        assert html in shown
