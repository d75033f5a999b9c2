"""The same promises of the page for every task: people, programs and files get both answers, whatever opened it."""

import csv
import re
import shlex
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from fastapi.testclient import TestClient
from gradio_client import Client, handle_file
from opened_tasks import Shown, opened_task
from served import make_app, running
from task_bundles import Recipe
from task_recipes import RECIPES
from typer.testing import CliRunner

import serve
import serve.__main__ as alone
from app.comparer import Comparer
from app.launch import Reach, launch, show
from app.page import build_page
from app.selection import counts
from app.tasks.numbers import Numbers
from compress import cli
from compress.demo import live_teacher
from compress.errors import ModelError
from serve.client import Endpoint
from serve.tasks import Extraction, Tagging

if TYPE_CHECKING:
    from playwright.sync_api import Page


@pytest.fixture(scope="module", params=RECIPES, ids=lambda recipe: recipe.name)
def shown(
    request: pytest.FixtureRequest,
    bundle_folder: Path,
    report: dict[str, Any],
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[Shown]:
    recipe: Recipe = request.param
    with opened_task(recipe, tmp_path_factory.mktemp(recipe.name), bundle_folder, report) as shown:
        page = build_page(shown.about)
        yield replace(shown, url=launch(page, Reach(port=0)))
    page.close(verbose=False)


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
