"""The same promises of the page for every task: it opens, shows both answers, and its numbers are the report's."""

import csv
import json
import re
import shlex
from collections.abc import Iterator
from dataclasses import dataclass
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
import pytest
from fastapi.testclient import TestClient
from gradio_client import Client, handle_file
from scipy.stats import pearsonr, spearmanr
from served import make_app, running
from task_bundles import Made, Recipe, make_bundles
from task_recipes import RECIPES
from typer.testing import CliRunner

import serve
import serve.__main__ as alone
from app.comparer import Comparer
from app.evaluation import read_rows
from app.launch import Reach, launch, show
from app.page import build_page
from app.rows import Both, Row
from app.selection import Selection, counts, select
from app.subject import Subject, subject
from app.tasks import task_of
from app.tasks.numbers import Numbers
from app.tasks.question_answering import QuestionAnswering
from app.views.answers import answers, outcome, words
from app.views.cards import head
from app.views.rows import against_report, listed
from app.views.table import figures
from compress import cli
from compress.demo import live_teacher
from compress.errors import ModelError
from serve.bundle import read
from serve.client import Endpoint
from serve.inputs import Input
from serve.runtime import OnnxRuntime
from serve.tasks import Answer, Extraction, Tagging

if TYPE_CHECKING:
    from playwright.sync_api import Page

EVIL = '<img src=x onerror=alert(1)> "quoted"'
SHIFTED = "\U0001f469\u200d\U0001f680 "  # one sign for people, three for Python, five for JavaScript


@dataclass(frozen=True)
class Shown:
    """A task's bundle, opened."""

    recipe: Recipe
    made: Made
    about: Subject
    url: str

    @property
    def answers(self) -> tuple[list[Answer], list[Answer]]:
        """The teacher's to all rows, and the student's, from their own files."""
        found = [
            serve.load(path, threads=1).predict(self.asked) for path in (self.made.teacher, self.made.student)
        ]
        return found[0], found[1]

    @property
    def asked(self) -> list[Input]:
        return [row.asked for row in self.about.rows.rows]

    @property
    def report(self) -> dict[str, Any]:
        return dict(self.about.report)

    @property
    def texts(self) -> list[str]:
        """Names of the boxes."""
        return [field.name for field in self.about.form.fields]

    def typed(self, *texts: str) -> Input:
        return self.about.form.asked((texts * 2)[: len(self.texts)])


def opened_subject(made: Made, teacher: OnnxRuntime | None = None) -> Subject:
    manifest = read(made.student).manifest
    task = task_of(manifest.answering, manifest.labels)
    rows = read_rows(made.student / "evaluation.jsonl", task)
    report = json.loads((made.student / "report.json").read_text())
    student = serve.load(made.student, threads=1)
    return subject(made.name, report, rows, student, teacher, pairs=manifest.text_pair, task=task)


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: recipe.name)
def shown(
    request: pytest.FixtureRequest,
    bundle_folder: Path,
    report: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shown]:
    recipe: Recipe = request.param
    made = make_bundles(recipe, tmp_path_factory.mktemp(recipe.name), bundle_folder, report)
    about = opened_subject(made)
    about.rows.finish(60)
    page = build_page(about)
    yield Shown(recipe, made, about, launch(page, Reach(port=0)))
    about.rows.stop()
    page.close(verbose=False)


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


def test_programs_get_both_answers(shown: Shown, tmp_path: Path) -> None:
    client = Client(shown.url, verbose=False, download_files=str(tmp_path))
    task, done = shown.about.task, shown.about.rows.done
    one = next(one for one in done if not one.apart.agree)
    texts = shown.about.form.values(one.row.asked)
    found = client.predict(*texts, api_name="/compare")
    assert (found["agree"], found["row"], found["teacher_is_stored"]) == (False, one.row.id, True)
    for who, answer in (("teacher", one.row.teacher), ("student", one.student)):
        for name, value in task.told(answer).items():
            assert (
                found[who][name] == pytest.approx(value) if isinstance(value, float) else name in found[who]
            )
    assert found["student"]["tokens"] == one.student.tokens
    own = client.predict(*texts, api_name="/classify")
    assert own.keys() == {*task.told(one.student), "tokens", "truncated"}
    assert task.difference(one.row.asked, one.student, shown.about.comparer.classify(one.row.asked)).agree
    weighed = client.predict(*texts, api_name="/weigh")
    assert weighed["label"]
    assert [piece["text"] for piece in weighed["student"]] == " ".join(texts).split()
    rows = client.predict(kind="differ", limit=1000, api_name="/disagreements")
    assert rows["count"] == counts(done)["differ"]
    assert {row["id"] for row in rows["rows"]} == {one.row.id for one in done if not one.apart.agree}
    if isinstance(task, Numbers):
        with pytest.raises(Exception, match="one of all, differ"):
            client.predict(kind="student_wrong", api_name="/disagreements")
    path, counted = client.predict(
        handle_file(csv_of(shown, tmp_path)), *[""] * len(texts), api_name="/batch"
    )
    check_csv(shown, Path(path))
    assert (counted["rows"], counted["compared"]) == (len(done) + 1, len(done))
    assert counted["agreed"] == sum(one.apart.agree for one in done)


def csv_of(shown: Shown, folder: Path) -> Path:
    """The test rows as a file, and one that the teacher was never asked."""
    source = folder / "rows.csv"
    with source.open("w", encoding="utf-8", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(shown.texts)
        writer.writerows(shown.about.form.values(row.asked) for row in shown.about.rows.rows)
        writer.writerow(["never stored"] * len(shown.texts))
    return source


def check_csv(shown: Shown, path: Path) -> None:
    task, done = shown.about.task, shown.about.rows.done
    with path.open(encoding="utf-8", newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert list(lines[0]) == [*shown.texts, *task.columns]
    assert [line["agree"] for line in lines] == [*(str(one.apart.agree).lower() for one in done), ""]
    for line, one in zip(lines, done, strict=False):
        for who, answer in (("teacher", one.row.teacher), ("student", one.student)):
            cells = task.answer_cells(one.row.asked, answer)
            assert [line[f"{who}_{name}"] for name in task.answer_columns] == cells
    assert {lines[-1][f"teacher_{name}"] for name in task.answer_columns} == {""}


def test_a_person_compares_looks_through_rows_and_answers_a_file(
    shown: Shown, opened: "Page", tmp_path: Path
) -> None:
    """At phone width, so that nothing overflows there either."""
    opened.set_viewport_size({"width": 390, "height": 844})
    opened.goto(shown.url)
    opened.get_by_role("tab", name="Disagreements").click()
    differ = counts(shown.about.rows.done)["differ"]
    opened.get_by_label(f"They differ ({differ})").wait_for()
    assert_fits(opened)
    first = opened.locator("#rows a").first
    number = int(str(first.get_attribute("data-row")))
    first.click()
    opened.get_by_text("They disagree").first.wait_for()
    row = shown.about.rows.row(number)
    assert row is not None
    for name, text in zip(shown.texts, shown.about.form.values(row.asked), strict=True):
        assert opened.locator(f"#{name} textarea").input_value() == text
    (one,) = (one for one in shown.about.rows.done if one.row.id == number)
    for who, answer in (("teacher", row.teacher), ("student", one.student)):
        side = opened.locator(f"#answers .{who}")
        for seen in seen_of(shown, answer):
            assert seen in side.inner_text()
    opened.get_by_text("What speaks for").first.wait_for()
    assert_fits(opened)
    opened.get_by_role("tab", name="Batch").click()
    opened.locator("#file input[type=file]").set_input_files(csv_of(shown, tmp_path))
    opened.locator("#file").get_by_text("rows", exact=True).wait_for()
    opened.get_by_role("button", name="Answer the file").click()
    opened.get_by_text("rows answered").wait_for()
    assert_fits(opened)
    with opened.expect_download() as downloading:
        opened.get_by_role("button", name="Download the answers").or_(
            opened.get_by_role("link", name="Download the answers")
        ).click()
    check_csv(shown, Path(downloading.value.path()))


def seen_of(shown: Shown, answer: Any) -> list[str]:
    if isinstance(shown.about.task, Numbers):
        return [f"{answer.score:.{2 if shown.made.name == 'regression' else 3}f}"]
    if isinstance(answer, Tagging):
        return [one["entity_group"] for one in answer.entities]
    if isinstance(answer, Extraction):
        return [answer.label, f"{answer.score:.1%}"]
    return [f"{answer.probabilities[label]:.1%}" for label in answer.labels] or ["no label"]


def assert_fits(page: "Page") -> None:
    assert page.evaluate("document.documentElement.scrollWidth") <= 390


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


def test_a_running_endpoint_answers_as_the_bundles_own_file(shown: Shown) -> None:
    own = serve.load(shown.made.student, threads=1)
    with running(make_app(shown.made.student)) as url:
        endpoint = Endpoint(url)
        some = shown.asked[:5]
        task = shown.about.task
        for ours, theirs in zip(own.predict(some), endpoint.predict(some), strict=True):
            assert task.difference(some[0], ours, theirs).agree
            assert abs(task.difference(some[0], ours, theirs).change) < 1e-5
        comparer = Comparer(endpoint, None, shown.about.rows.rows, task=task)
        assert comparer.compare(some[0]).row == 0
        weighed = [comparer.weigh(some[0]), shown.about.comparer.weigh(some[0])]
        one, other = ([piece.weight for piece in each.student] for each in weighed)
        assert one == pytest.approx(other, abs=1e-5)
        endpoint.close()


@pytest.mark.parametrize("command", ["compress serve", "python -m serve"])
def test_the_first_request_that_a_server_names_is_answered(
    shown: Shown, command: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("serve.server.serve_bundles", lambda _, ready: ready("http://localhost"))
    if command == "compress serve":
        done = CliRunner().invoke(cli.app, ["serve", str(shown.made.student)])
        assert done.exit_code == 0, done.output
        said = done.output
        _, url, *_, body = shlex.split(next(line for line in said.splitlines() if "curl" in line))
    else:
        assert alone.main([str(shown.made.student)]) == 0
        (found,) = re.findall(r"POST (.*) to (\S+)\)", capsys.readouterr().err)
        body, url = found
    with TestClient(make_app(shown.made.student), "http://localhost") as client:
        reply = client.post(url, content=body, headers={"Content-Type": "application/json"})
    assert reply.status_code == 200, reply.text


def test_another_bundle_is_the_teacher_of_its_own_task_alone(shown: Shown, bundle_folder: Path) -> None:
    teacher = live_teacher(str(shown.made.teacher), shown.made.student)
    about = shown.about
    found = Comparer(serve.load(shown.made.student), teacher, about.rows.rows, task=about.task).compare(
        shown.asked[0]
    )
    stored = about.comparer.compare(shown.asked[0])
    assert found.teacher is not None
    assert stored.stored is not None
    assert about.task.difference(shown.asked[0], stored.stored, found.teacher.answer).agree
    with pytest.raises(ModelError, match=r"is a model for text-classification \(single-label\)"):
        live_teacher(str(bundle_folder), shown.made.student)


def test_the_command_opens_it(shown: Shown) -> None:
    class Stop(Exception):  # noqa: N818
        pass

    def seen(url: str) -> None:
        assert (
            Client(url, verbose=False).predict(*shown.about.form.values(shown.asked[0]), api_name="/compare")[
                "row"
            ]
            == 0
        )
        raise Stop

    with pytest.raises(Stop):
        show(shown.made.student, reach=Reach(port=0), ready=seen)
