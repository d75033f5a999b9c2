"""Metrics beside the one of the verdict: all that mean something on these rows, each as its library gives it."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from full_report import full_report
from mistakes import complaint, require
from rich.console import Console
from scipy.stats import spearmanr
from sklearn.metrics import f1_score, matthews_corrcoef

from compress.card import model_card
from compress.data.rows import Rows
from compress.judge.other_scores import other_scores
from compress.judge.report import Report
from compress.judge.table import render
from compress.page.page import report_page
from compress.tasks import task_named

ROWS = 60
RANDOM = np.random.default_rng(3)


def answers_of(gold: Any, labels: int) -> Any:
    """Probabilities (rows, labels) that are right more often than not."""
    drawn = RANDOM.random((ROWS, labels)) + 0.7 * np.eye(labels)[gold]
    return drawn / drawn.sum(axis=1, keepdims=True)


def test_two_labels_have_the_f1_of_the_second_and_more_have_not() -> None:
    task = task_named("text-classification", None)
    gold = RANDOM.integers(2, size=ROWS)
    answers = answers_of(gold, 2)
    found = other_scores(task, "accuracy", answers, Rows(["text"] * ROWS, gold), ("no", "yes"))
    given = answers.argmax(axis=1)
    assert found == pytest.approx(
        {
            "macro_f1": f1_score(gold, given, average="macro"),
            "binary_f1": f1_score(gold, given),
            "matthews": matthews_corrcoef(gold, given),
        }
    )
    three = RANDOM.integers(3, size=ROWS)
    rows = Rows(["text"] * ROWS, three)
    assert set(other_scores(task, "macro_f1", answers_of(three, 3), rows, ("a", "b", "c"))) == {
        "accuracy",
        "matthews",
    }


def test_numbers_have_both_correlations() -> None:
    task = task_named("text-classification", "regression")
    gold = RANDOM.random(ROWS).astype(np.float32)
    near = (gold + 0.3 * RANDOM.random(ROWS)).astype(np.float64)[:, None]
    found = other_scores(task, "pearson", near, Rows([("a", "b")] * ROWS, gold), ("LABEL_0",))
    assert found == pytest.approx({"spearman": spearmanr(gold, near[:, 0])[0]})


def test_pairs_with_scores_are_looked_for_as_well_and_partners_correlate_with_nothing() -> None:
    task = task_named("sentence-similarity", None)
    first = RANDOM.normal(size=(ROWS, 5))
    vectors = np.stack([first, first + 0.01 * RANDOM.normal(size=first.shape)], axis=1)
    scores = np.linspace(0, 5, ROWS).astype(np.float32)
    found = other_scores(task, "spearman", vectors, Rows([("a", "b")] * ROWS, scores), ("embedding",))
    assert set(found) == {"pearson", "recall_at_1", "recall_at_10", "mrr"}
    assert found["recall_at_1"] == found["mrr"] == 1
    partners = Rows([("a", "b")] * ROWS, np.ones(ROWS, np.float32))
    assert set(other_scores(task, "mrr", vectors, partners, ("embedding",))) == {
        "recall_at_1",
        "recall_at_10",
    }
    single = Rows(["a"] * ROWS, scores)
    assert set(other_scores(task, "spearman", vectors, single, ("embedding",))) == {"pearson"}


def told(report: Report) -> list[str]:
    """Everywhere that people look."""
    console = Console(width=200)
    with console.capture() as caught:
        console.print(render(report))
    return [caught.get(), report_page("name", report), model_card("name", report)]


def test_people_and_the_hub_are_told_of_both_models() -> None:
    report = full_report(labels=["not alike", "alike"])
    scores = {"teacher": {"binary_f1": 0.8712}, "student": {"binary_f1": 0.8533, "matthews": 0.631}}
    models = [row.model_copy(update={"other_scores": scores.get(row.name, {})}) for row in report.models]
    report = report.model_copy(update={"models": models})
    for text in told(report):
        assert "F1 of alike 0.853 (teacher 0.871)" in text
        assert "Matthews correlation 0." not in text  # nothing stands beside it
    assert "value: 0.8533" in model_card("name", report)
    older = report.model_copy(
        update={"models": [row.model_copy(update={"other_scores": {}}) for row in models]}
    )
    assert not any("By other metrics" in text for text in told(older))


def test_the_f1_of_the_second_of_three_labels_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "rows.csv"
    file.write_text("text,label\n" + "".join(f"text {number},{'abc'[number % 3]}\n" for number in range(60)))
    recipe = tmp_path / "recipe.yaml"
    recipe.write_text(f"data: {{path: {file}}}\nteacher: {{model: nowhere}}\nmetric: binary_f1\n")
    said = complaint("run", str(recipe), "--out", str(tmp_path / "run"))
    require(" ".join(said.split()), "binary_f1", "the data has 3 labels", "macro_f1")
    assert not (tmp_path / "run").exists()
