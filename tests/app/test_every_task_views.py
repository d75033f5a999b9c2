"""What is shown of every task, without a page: the numbers are the report's, and no text becomes markup."""

import json
import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from opened_tasks import Shown, opened_task
from scipy.stats import pearsonr, spearmanr
from task_bundles import Recipe
from task_recipes import RECIPES

import serve
from app.comparer import Comparer
from app.rows import Both, Row
from app.selection import Selection, counts, select
from app.tasks.numbers import Numbers
from app.tasks.question_answering import QuestionAnswering
from app.views.answers import answers, outcome, words
from app.views.cards import head
from app.views.rows import against_report, listed
from app.views.table import figures
from serve.inputs import Input
from serve.tasks import Extraction, Tagging

EVIL = '<img src=x onerror=alert(1)> "quoted"'


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: recipe.name)
def shown(
    request: pytest.FixtureRequest,
    bundle_folder: Path,
    report: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shown]:
    recipe: Recipe = request.param
    folder = tmp_path_factory.mktemp(recipe.name)
    with opened_task(recipe, folder, bundle_folder, report) as shown:
        yield shown


def plain(html: str) -> str:
    return re.sub(r"\s+", " ", unescape(re.sub(r"<[^>]+>", " ", html)))


def test_both_agree_on_the_rows_on_which_the_verdict_says_so(shown: Shown) -> None:
    taught, learnt = (shown.recipe.task.stack(found, shown.about.task.labels) for found in shown.answers)
    expected = shown.recipe.task.same(taught, learnt)
    done = shown.about.rows.done
    assert [one.apart.agree for one in done] == expected.tolist()
    assert 0 < expected.sum() < len(expected)
    assert "as in the report" in against_report(shown.report, done, shown.about.task)
    assert f"{shown.report['fidelity']['agreement']:.1%}" in plain(head(shown.report, "t"))
    assert counts(done)["differ"] == len(expected) - expected.sum()
    differing = select(done, Selection("differ", order="change"), shown.about.task)
    changes = [abs(one.apart.change) for one in differing]
    assert changes == sorted(changes, reverse=True)
    assert min(changes) > 0


def test_who_is_right_is_what_the_verdict_says(shown: Shown) -> None:
    done = shown.about.rows.done
    tested = shown.report["fidelity"]["mcnemar"]
    if isinstance(shown.about.task, Numbers):
        assert {one.right for one in done} == {None}
        assert list(shown.about.task.kinds) == ["all", "differ"]
    elif tested is not None:
        found = counts(done)
        assert (found["student_wrong"], found["teacher_wrong"]) == (
            tested["only_teacher"],
            tested["only_shipped"],
        )
    else:  # entities: of the words, as F1 counts them
        rows = json.loads(json.dumps(shown.made.rows))
        both = zip(rows, *shown.answers, strict=True)
        expected = [tuple(tags_of(row, answer) == tags_of(row) for answer in pair) for row, *pair in both]
        assert [one.right for one in done] == expected
        assert len(set(expected)) > 2


def tags_of(row: dict[str, Any], answer: Any = None) -> list[str]:
    """The tag of each word: the right one, or that of its first piece."""
    if answer is None:
        return [tag for _, _, tag in row["label"]]
    tags = {one["start"]: one["entity"] for one in answer.told(strategy="none", ignored=())}
    return [tags[start] for start, _, _ in row["label"]]


def test_cards_figures_and_overview_show_the_reports_numbers(shown: Shown) -> None:
    report, task = shown.report, shown.about.task
    form = "{:.3f}" if report["metric"] in ("pearson", "spearman") else "{:.1%}"
    taught, _, learnt = report["models"]
    for html in (head(report, "t", task.agreement_means), figures(report)):
        for model in (taught, learnt):
            assert form.format(model["score"]) in plain(html)
        assert f"{report['fidelity']['retention']:.1%} kept" in plain(html)
    assert task.agreement_means in plain(head(report, "t", task.agreement_means))
    seen = plain(task.overview(shown.about.rows.done))
    answers_ = shown.answers
    if isinstance(task, Numbers):
        gold = [float(row["label"]) for row in shown.made.rows]
        numbers = [[answer.score for answer in some] for some in answers_]
        for one, other in ((numbers[0], numbers[1]), (gold, numbers[0]), (gold, numbers[1])):
            assert f"Pearson {pearsonr(one, other)[0]:.3f}, Spearman {spearmanr(one, other)[0]:.3f}" in seen
        named = {"pearson": "Pearson", "spearman": "Spearman"}[report["metric"]]
        assert f"{named} {learnt['score']:.3f}" in seen
        assert f"{report['fidelity']['correlation']:.3f}" in plain(head(report, "t"))
        return
    if isinstance(task, QuestionAnswering):
        places = [place_of(*pair) for pair in zip(*answers_, strict=True)]
        for name in ("the same words", *task.classes):
            assert f"{name} {places.count(name)}" in seen
        return
    items = [[items_of(answer) for answer in some] for some in answers_]
    for name in task.classes:
        taught_, learnt_ = (
            {(row, one) for row, found in enumerate(some) for one in found if one[-1] == name}
            for some in items
        )
        both = len(taught_ & learnt_)
        assert f"{name} {both} {len(taught_ - learnt_)} {len(learnt_ - taught_)}" in seen
    if report["fidelity"]["flips_of"] == "entities":
        alike = report["fidelity"]["alike"]
        assert all(f"{kind} {count} " in seen for kind, count in alike.items())


def place_of(taught: Any, learnt: Any) -> str:
    """How two answers lie to each other, character by character."""
    both = [set(range(one.start, one.end)) for one in (taught, learnt)]
    if both[0] == both[1]:
        return "the same words"
    if not all(both):
        return "only the teacher answers" if both[0] else "only the student answers"
    return "words that overlap" if both[0] & both[1] else "another place"


def items_of(answer: Any) -> set[tuple[Any, ...]]:
    """The labels, or the entities with their places."""
    if isinstance(answer, Tagging):
        return {(one["start"], one["end"], one["entity_group"]) for one in answer.entities}
    return {(label,) for label in answer.labels}


def test_rows_are_narrowed_by_what_the_task_has(shown: Shown) -> None:
    task, done = shown.about.task, shown.about.rows.done
    differing = [one for one in done if not one.apart.agree]
    for wanted in task.classes:
        found = select(done, Selection("differ", label=wanted), task)
        expected = [one for one in differing if any(item[-1] == wanted for item in apart_items(one))]
        assert {one.row.id for one in found} == {one.row.id for one in expected}
    assert bool(task.classes) is not isinstance(task, Numbers)
    halved = float(np.median([task.measure(one) for one in done]))
    some = select(done, Selection("all", least=halved), task)
    assert {one.row.id for one in some} == {one.row.id for one in done if task.measure(one) >= halved}
    assert 0 < len(some) < len(done)
    if isinstance(task, Numbers):
        assert min(abs(one.student.score - one.row.teacher.score) for one in some) >= halved
    html = listed(done, len(done), task)
    assert html.count("data-row=") == len(done)


def apart_items(one: Both) -> set[tuple[Any, ...]]:
    if isinstance(one.student, Extraction):
        return {(place_of(one.row.teacher, one.student),)}
    return items_of(one.row.teacher) ^ items_of(one.student)


def test_nothing_that_is_typed_or_answered_becomes_markup(shown: Shown) -> None:
    task, form = shown.about.task, shown.about.form
    comparer = Comparer(serve.load(shown.made.student), serve.load(shown.made.teacher), [], task=task)
    for text in (EVIL, f"{EVIL} Paris happy"):
        asked = shown.typed(text)
        found = comparer.compare(asked)
        weighed = words(comparer.weigh(asked), form, teacher_is_live=True)
        html = outcome(found, form, task) + answers(found, task, None) + weighed
        row = Row(0, text, None, found.student.answer, *parts_of(asked))
        html += listed([task.both(row, found.student.answer)], 1, task)
        assert "<img" not in html
        assert "&lt;img" in html


def parts_of(asked: Input) -> list[str]:
    return [] if isinstance(asked, str) else [asked[1]]
