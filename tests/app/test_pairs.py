"""Two texts that are read together, on every tab, in every link and from every program."""

import csv
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from gradio_client import Client, handle_file
from pair_bundle import PAIRS, make_pair_bundle
from served import make_app, running

import serve
from app.attribution import pieces, weigh, without
from app.batch import Columns, answer_file
from app.comparer import Comparer
from app.evaluation import read_rows
from app.launch import Reach, launch, show
from app.live import Watch
from app.page import build_page
from app.rows import Row
from app.selection import Selection, examples, select
from app.subject import Subject, Watched, subject
from app.tasks import default_task
from app.views.answers import answers, outcome, words
from app.views.rows import listed
from compress.demo import live_teacher
from compress.errors import ModelError
from serve.client import Endpoint
from serve.errors import InputError, UserError
from serve.runtime import OnnxRuntime

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

GOOD, BAD = (
    ["good", "fine", "great", "lovely", "warm", "bright"],
    ["dull", "awful", "cold", "flat", "stale", "grim"],
)
TASK = default_task()
FORM = TASK.form({"text": "premise", "text_pair": "hypothesis"}, pairs=True)
STORED = ("awful music", "a warm ending")  # row 3, on which they disagree
WAIT = 20_000


@pytest.fixture(scope="module")
def folder(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return make_pair_bundle(tmp_path_factory.mktemp("pairs") / "bundle", bundle_folder, GOOD, BAD)


@pytest.fixture(scope="module")
def pair_student(folder: Path) -> OnnxRuntime:
    return serve.load(folder, threads=1)


@pytest.fixture(scope="module")
def pair_rows(folder: Path) -> list[Row]:
    return read_rows(folder / "evaluation.jsonl")


@pytest.fixture(scope="module")
def about_pairs(folder: Path, pair_student: OnnxRuntime, pair_rows: list[Row]) -> Subject:
    report = json.loads((folder / "report.json").read_text())
    return subject("tiny-pairs", report, pair_rows, pair_student, pairs=True)


@pytest.fixture(scope="module")
def url(about_pairs: Subject) -> Iterator[str]:
    page = build_page(about_pairs)
    yield launch(page, Reach(port=0))
    about_pairs.rows.stop()
    page.close(verbose=False)


@pytest.fixture(scope="module")
def client(url: str, tmp_path_factory: pytest.TempPathFactory) -> Client:
    return Client(url, verbose=False, download_files=str(tmp_path_factory.mktemp("downloads")))


def test_both_models_are_asked_both_texts(pair_student: OnnxRuntime, pair_rows: list[Row]) -> None:
    found = Comparer(pair_student, None, pair_rows).compare(("  awful music", "a warm ending\n"))
    assert found.row == 3
    assert found.taught is not None
    assert (found.taught.label, found.student.answer.label) == ("same", "different")
    assert 'href="?row=3"' in outcome(found, FORM, TASK)
    turned = Comparer(pair_student, None, pair_rows).compare(STORED[::-1])
    assert (turned.row, turned.taught) == (None, None)
    assert 'href="?text=a+warm+ending&amp;text_pair=awful+music"' in outcome(turned, FORM, TASK)
    live = Comparer(pair_student, pair_student, pair_rows).compare(STORED)
    assert live.apart is not None
    assert live.apart.agree
    assert answers(live, TASK, None).count("on this server, median of") == 2


def test_words_of_either_text_are_left_out_and_the_other_text_stays(pair_student: OnnxRuntime) -> None:
    asked = ("a grim film", "grim, and cold")
    assert [without(asked, span) for span in pieces(asked)] == [
        (" grim film", "grim, and cold"),
        ("a  film", "grim, and cold"),
        ("a grim ", "grim, and cold"),
        ("a grim film", " and cold"),
        ("a grim film", "grim,  cold"),
        ("a grim film", "grim, and "),
    ]
    found = weigh(pair_student, asked, lambda _, answer: answer.probabilities["same"])
    assert [(piece.text, piece.place) for piece in found] == [
        *((word, 0) for word in asked[0].split()),
        *((word, 1) for word in asked[1].split()),
    ]
    (whole, changed) = pair_student.predict([asked, (asked[0], "grim, and ")])
    lost = whole.probabilities["same"] - changed.probabilities["same"]
    assert found[-1].weight == pytest.approx(lost)
    assert {piece.text for piece in found if piece.weight > 0.001} == {"grim", "grim,", "cold"}


@pytest.mark.parametrize(("first", "second"), [(1, 47), (40, 40), (3, 500), (2000, 2000), (0, 60)])
def test_long_pairs_are_weighed_in_few_pieces_that_hold_every_word(first: int, second: int) -> None:
    texts = tuple(" ".join(f"w{number}" for number in range(count)) for count in (first, second))
    spans = pieces((texts[0], texts[1]))
    assert 24 < len(spans) <= 48
    for place, text in enumerate(texts):
        assert " ".join(text[span.start : span.end] for span in spans if span.place == place) == text


def test_what_speaks_for_a_label_is_shown_in_both_texts_teacher_above_student(
    pair_student: OnnxRuntime,
) -> None:
    shown = words(Comparer(pair_student, pair_student, []).weigh(STORED), FORM, teacher_is_live=True)
    assert shown.index(">Teacher<") < shown.index(">Student<")
    for side in shown.split('<div class="weights">')[1:]:
        first, second = side.split('<p class="words">')[1:]
        assert first.startswith('<span class="which">First text (premise)</span>')
        assert "awful" in first.partition("</p>")[0]
        assert second.startswith('<span class="which">Second text (hypothesis)</span>')
        assert "warm" in second.partition("</p>")[0]


def test_rows_show_both_texts_and_either_is_searched(about_pairs: Subject) -> None:
    about_pairs.rows.finish(20)
    done = about_pairs.rows.done
    assert [one.row.id for one in select(done, Selection("differ", order="row"))] == [3, 4]
    for search, ids in [("AWFUL", [3]), ("warm ending", [3]), ("music a warm", [])]:
        assert [one.row.id for one in select(done, Selection("all", search=search))] == ids
    shown = listed(done, 10)
    for first, second, *_ in PAIRS:
        assert f'<span class="text"><span>{first}</span><span>{second}</span></span>' in shown
    apart, together = examples(done)
    assert {one.row.id for one in apart} == {3, 4}
    assert len(together) == 3


@pytest.mark.parametrize(
    ("header", "columns"),
    [
        ("sentence1,sentence2", Columns(pairs=True)),
        ("one,other", Columns("one", "other", pairs=True)),
    ],
)
def test_two_columns_are_answered(
    pair_student: OnnxRuntime, pair_rows: list[Row], tmp_path: Path, header: str, columns: Columns
) -> None:
    source, target = tmp_path / "pairs.csv", tmp_path / "out.csv"
    source.write_text(f"{header},note\nawful music,a warm ending,=1+1\na good film,a fine film,x\n")
    found = answer_file(Comparer(pair_student, None, pair_rows), source, target, columns)
    with target.open(newline="") as stream:
        lines = list(csv.DictReader(stream))
    assert [line["student_label"] for line in lines] == ["different", "same"]
    assert [(line["teacher_label"], line["agree"]) for line in lines] == [("same", "false"), ("", "")]
    assert lines[0]["note"] == "'=1+1"
    assert (found.rows, found.compared, found.agreed) == (2, 1, 0)
    assert [tuple(one.texts) for one in found.head] == [STORED, ("a good film", "a fine film")]


def test_a_file_of_single_texts_is_refused(pair_student: OnnxRuntime, tmp_path: Path) -> None:
    source = tmp_path / "texts.csv"
    source.write_text("text\na good film\n")
    with pytest.raises(InputError, match=r"texts\.csv has the columns 'text'") as caught:
        answer_file(Comparer(pair_student, None, []), source, tmp_path / "out.csv", Columns(pairs=True))
    assert "'text_pair'" in str(caught.value)
    assert "--column" not in str(caught.value)


def test_programs_give_both_texts_by_the_names_of_the_boxes(client: Client, tmp_path: Path) -> None:
    named = client.view_api(return_format="dict", print_info=False)["named_endpoints"]
    for name in ("/classify", "/compare", "/weigh"):
        given = [parameter["parameter_name"] for parameter in named[name]["parameters"]]
        assert given == ["text", "text_pair"]
    found = client.predict(text=STORED[0], text_pair=STORED[1], api_name="/compare")
    assert (found["row"], found["agree"]) == (3, False)
    assert (found["teacher"]["label"], found["student"]["label"]) == ("same", "different")
    assert client.predict(*STORED, api_name="/classify")["label"] == "different"
    weighed = client.predict(*STORED, api_name="/weigh")
    assert [piece["in"] for piece in weighed["student"]] == ["text"] * 2 + ["text_pair"] * 3
    (row,) = client.predict(search="awful", api_name="/disagreements")["rows"]
    assert (row["text"], row["text_pair"]) == STORED
    source = tmp_path / "pairs.csv"
    source.write_text("one,other\nawful music,a warm ending\n")
    path, counted = client.predict(handle_file(source), "one", "other", api_name="/batch")
    assert counted["head"] == [[list(STORED), "same", "different", True]]
    assert "different" in Path(path).read_text()


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (("a good film", " "), r"nothing in the box 'Second text \(hypothesis\)'"),
        (("", "a good film"), r"nothing in the box 'First text \(premise\)'"),
        (("a", "x" * 5001), "5,001 characters"),
    ],
)
def test_one_text_is_not_enough(client: Client, given: tuple[str, str], message: str) -> None:
    for name in ("/classify", "/compare", "/weigh"):
        with pytest.raises(Exception, match=message):
            client.predict(*given, api_name=name)


def test_an_endpoint_of_pairs_is_asked_pairs(folder: Path, pair_rows: list[Row], bundle_folder: Path) -> None:
    with running(make_app(folder)) as address:
        endpoint = Endpoint(address)
        watched = Watched(endpoint, Watch(endpoint.metrics), is_this_bundle=True)
        about = subject("t", {}, pair_rows, serve.load(folder), watched=watched, pairs=True)
        assert about.comparer.compare(STORED).student.answer.label == "different"
        assert about.comparer.weigh(STORED).label == "different"
        with pytest.raises(UserError, match=r"labels different, same"):
            show(bundle_folder, endpoint=endpoint, reach=Reach(port=0))
        endpoint.close()


def test_who_is_asked_otherwise_is_refused(folder: Path, bundle_folder: Path, tmp_path: Path) -> None:
    """With the labels of the bundle, but for single texts."""
    single = make_pair_bundle(tmp_path / "single", bundle_folder, GOOD, BAD)
    manifest = json.loads((single / "bundle.json").read_text())
    (single / "bundle.json").write_text(json.dumps({**manifest, "text_pair": False}))
    with running(make_app(single)) as address:
        endpoint = Endpoint(address)
        with pytest.raises(UserError, match="is asked single texts"):
            show(folder, endpoint=endpoint, reach=Reach(port=0))
        endpoint.close()
    with pytest.raises(ModelError, match="is asked single texts"):
        live_teacher(str(single), folder)
    assert live_teacher(str(folder), folder).predict([STORED])[0].label == "different"


def see(page: "Page", text: str) -> None:
    page.get_by_text(text).first.wait_for()


def boxes(page: "Page") -> tuple[str, str]:
    return (
        page.get_by_label("First text (premise)").input_value(),
        page.get_by_label("Second text (hypothesis)").input_value(),
    )


def test_a_person_compares_pairs(url: str, browser: "Browser", tmp_path: Path) -> None:
    page = browser.new_page(viewport={"width": 390, "height": 844})
    page.set_default_timeout(WAIT)
    errors: list[Any] = []
    page.on("pageerror", lambda error: errors.append(error))
    page.goto(url)
    page.get_by_label("First text (premise)").fill("a grim film")
    page.get_by_role("button", name="Compare").click()
    see(page, "nothing in the box 'Second text (hypothesis)'")
    page.get_by_label("Second text (hypothesis)").fill("a warm story")
    page.get_by_role("button", name="Compare").click()
    see(page, "What speaks for different")
    said = page.locator("#words").inner_text()
    assert said.index("a grim film") < said.index("Second text (hypothesis)") < said.index("a warm story")
    link = page.get_by_role("link", name="Link to this case").get_attribute("href")

    # A row of the test set lands in both boxes; found by its second text.
    page.get_by_role("tab", name="Disagreements").click()
    page.get_by_label("They differ (2)").wait_for()
    page.get_by_label("Search").fill("warm ending")
    see(page, "1 row.")
    page.locator("#rows li").first.click()
    see(page, "They disagree")
    assert boxes(page) == STORED
    page.get_by_role("link", name="a good film a dull plot").click()
    see(page, "They agree on different")
    assert boxes(page) == ("a good film", "a dull plot")
    assert page.evaluate("document.documentElement.scrollWidth") <= 390

    page.get_by_role("tab", name="Batch").click()
    source = tmp_path / "pairs.csv"
    source.write_text("premise,hypothesis\nawful music,a warm ending\na good film,a lovely film\n")
    page.locator("#file input[type=file]").set_input_files(source)
    page.locator("#file").get_by_text("pairs", exact=True).wait_for()
    page.get_by_role("button", name="Answer the file").click()
    see(page, "2 rows answered")
    assert page.locator("#batch thead").inner_text().split("\t")[:2] == [
        "First text (premise)",
        "Second text (hypothesis)",
    ]

    # The link shows the case again.
    page.goto(f"{url}/{link}")
    see(page, "What speaks for different")
    assert boxes(page) == ("a grim film", "a warm story")
    assert errors == []
    page.close()
