"""Entities stand where the model says they do, in every script, and what only one model finds is seen at a glance."""

import re
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from task_bundles import Made, make_bundles
from task_recipes import RECIPES

import serve
from app.comparer import Comparer
from app.entities import joined
from app.evaluation import read_rows
from app.launch import Reach, launch
from app.page import build_page
from app.rows import Row
from app.stored_teacher import StoredTeacher
from app.subject import Subject, subject
from app.tasks.token_classification import TokenClassification
from app.views.answers import answers, words
from app.views.marked import Part, marked
from serve.bundle import read
from serve.tasks import Tagging
from serve.tasks import TokenClassification as Answers

if TYPE_CHECKING:
    from playwright.sync_api import Page

ASTRONAUT = "\U0001f469\u200d\U0001f680"  # one sign for people, three for Python, five for JavaScript
TEXTS = [
    f"{ASTRONAUT}{ASTRONAUT} Ada Lovelace likes Paris !",
    f"{ASTRONAUT} محمود درويش visited القاهرة {ASTRONAUT} with דוד בן גוריון",
    "e\u0301 e\u0301 Jose\u0301 likes Sa\u0303o Paulo",
    "\u202eAda Lovelace\u202c likes <b>Paris</b>",
]
RECIPE = next(recipe for recipe in RECIPES if recipe.name == "token-classification")
TASK = TokenClassification(Answers(), RECIPE.manifest["labels"])


@pytest.fixture(scope="module")
def made(bundle_folder: Path, report: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Made:
    return make_bundles(RECIPE, tmp_path_factory.mktemp("entities"), bundle_folder, report)


@pytest.fixture(scope="module")
def about(made: Made, report: dict[str, Any]) -> Subject:
    rows = read_rows(made.student / "evaluation.jsonl", TASK)
    students = serve.load(made.student, threads=1)
    assert read(made.student).manifest.answering.kind == "token-classification"
    return subject("t", report, rows, students, serve.load(made.teacher, threads=1), task=TASK)


@pytest.fixture(scope="module")
def url(about: Subject) -> Iterator[str]:
    page = build_page(about)
    yield launch(page, Reach(port=0))
    about.rows.stop()
    page.close(verbose=False)


def entity(text: str, words: str, kind: str, score: float = 0.9) -> dict[str, Any]:
    start = text.index(words)
    return {
        "entity_group": kind,
        "score": score,
        "word": words.lower(),
        "start": start,
        "end": start + len(words),
    }


def tagging(*entities: dict[str, Any]) -> Tagging:
    return Tagging(entities, tokens=9)


def marks_of(html: str) -> list[tuple[str, str]]:
    """The text of each mark, and what it is called."""
    found = re.findall(r'<mark class="part[^>]*>(.*?)<bdi class="tag">(.*?)</bdi></mark>', html)
    return [
        (unescape(inside), re.sub("<[^>]+>.*", "", tag.rpartition("</span>")[2])) for inside, tag in found
    ]


@pytest.mark.parametrize("text", TEXTS)
def test_marks_hold_the_characters_of_the_answer(about: Subject, text: str) -> None:
    found = about.comparer.compare(text)
    html = answers(found, TASK, None)
    assert found.teacher is not None
    for side, answer in ((0, found.teacher.answer), (1, found.student.answer)):
        assert isinstance(answer, Tagging)
        assert len(answer.entities) > 1
        expected = [(text[one["start"] : one["end"]], one["entity_group"]) for one in answer.entities]
        assert marks_of(html.split("<section")[side + 1]) == expected
    # Nothing of the text is lost or doubled.
    paragraph = html.split('<p class="marked" dir="auto">')[1].split("</p>")[0]
    assert unescape(re.sub(r"<bdi.*?</bdi>|<[^>]+>", "", paragraph)) == text


def test_a_browser_shows_those_characters(about: Subject, url: str, opened: "Page") -> None:
    opened.emulate_media(color_scheme="dark")
    opened.set_viewport_size({"width": 390, "height": 844})
    for text in TEXTS[:2]:
        opened.goto(url)
        opened.get_by_label("Text").fill(text)
        opened.get_by_role("button", name="Compare").click()
        opened.locator("#words .attribution").wait_for()
        answer = about.comparer.classify(text)
        assert isinstance(answer, Tagging)
        seen = opened.eval_on_selector_all(
            "#answers .student mark.part",
            "all => all.map(one => [...one.childNodes].filter(node => node.nodeType === 3).map(n => n.data).join(''))",
        )
        assert seen == [text[one["start"] : one["end"]] for one in answer.entities]
        assert opened.evaluate("document.documentElement.scrollWidth") <= 390


def test_what_only_one_finds_stands_out_in_both_and_in_words() -> None:
    text = "Ada saw Paris and Rome"
    taught = tagging(entity(text, "Ada", "PER"), entity(text, "Paris", "LOC", 0.97))
    learnt = tagging(entity(text, "Ada", "PER", 0.8), entity(text, "Rome", "LOC", 0.6))
    apart = TASK.difference(text, taught, learnt)
    assert (apart.agree, apart.label) == (False, "Paris (LOC)")
    assert apart.change == pytest.approx(-0.97)
    assert "only the teacher finds <b>Paris (LOC)</b>, 97%" in TASK.verdict(taught, learnt, apart)
    for answer, other, only in ((taught, learnt, "Paris"), (learnt, taught, "Rome")):
        html = TASK.body(text, answer, other)
        assert re.findall(r'<mark class="part kind-\d apart"[^>]*>(\w+)', html) == [only]
        assert html.count("\u2260") == 1
        assert "\u2260" not in TASK.body(text, answer, None)
    row = Row(0, text, [[0, 3, "B-PER"], [4, 7, "O"], [8, 13, "B-LOC"], [14, 17, "O"], [18, 22, "O"]], taught)
    one = TASK.both(row, learnt)
    assert one.right == (True, False)
    chips = "".join(TASK.chips(one))
    assert "right: Paris (LOC)" in chips
    assert "teacher only: Paris (LOC) 97%" in chips
    assert "student only: Rome (LOC) 60%" in chips
    same = TASK.difference(text, taught, taught)
    assert (same.agree, same.change) == (True, 0)
    other_type = tagging(entity(text, "Ada", "PER"), entity(text, "Paris", "ORG"))
    assert not TASK.difference(text, taught, other_type).agree
    assert {kind for kind in TASK.classes if TASK.concerns(TASK.both(row, other_type), kind)} == {
        "LOC",
        "ORG",
    }


def test_a_stored_answer_is_found_with_other_spaces_around_the_text() -> None:
    text = f"  {ASTRONAUT} Ada saw Paris\n"
    told = {
        "entities": [{"entity_group": "LOC", "start": text.index("Paris"), "end": text.index("Paris") + 5}],
        "pieces": [[3, text.index("Paris"), text.index("Paris") + 5, "B-LOC", 0.7]],
    }
    stored = TASK.read_answer(text, told)
    assert isinstance(stored, Tagging)
    assert (stored.entities[0]["word"], stored.entities[0]["score"]) == ("Paris", 0.7)
    teacher = StoredTeacher([Row(0, text, None, stored)], TASK)
    for asked in (text, text.strip(), f"\n\n\n{text.strip()}  "):
        (found,) = teacher.predict([asked])
        assert isinstance(found, Tagging)
        (one,) = found.entities
        assert asked[one["start"] : one["end"]] == "Paris"


def test_a_word_that_makes_the_entity_speaks_for_it_and_a_text_without_entities_says_why(
    made: Made, about: Subject
) -> None:
    comparer = Comparer(serve.load(made.student, threads=1), None, [], task=TASK)
    weighed = comparer.weigh("then Angela Merkel likes Paris")
    assert weighed.label in ("Angela Merkel (PER)", "Paris (LOC)")
    weights = {piece.text: piece.weight for piece in weighed.student}
    assert max(weights, key=weights.__getitem__) in str(weighed.label)
    assert abs(weights["likes"]) < 0.01
    nothing = comparer.weigh("There is nothing to see here")
    assert nothing.label is None
    said = words(nothing, about.form, teacher_is_live=True)
    assert "The student finds no entity in this text" in said
    assert "What speaks for" not in said


def test_parts_that_overlap_lose_no_letter() -> None:
    html = marked("abcdefgh", [Part(1, 4, "X"), Part(2, 6, "Y"), Part(6, 99, "Z")])
    assert re.sub(r"<bdi.*?</bdi>|<[^>]+>", "", html) == "abcdefgh"
    assert [inside for inside, _ in marks_of(html)] == ["bcd", "gh"]
    evil = "see <b>bold</b> & more"
    assert "<b>" not in marked(evil, [Part(4, 15, "<i>", title='">')]) + marked(evil, [Part(0, 3)])
    assert "&lt;b&gt;bold&lt;/b&gt;<bdi" in marked(evil, [Part(4, 15, "<i>")])
    together = joined([Part(2, 6), Part(1, 4), Part(7, 8)])
    assert [(part.start, part.end) for part in together] == [(1, 6), (7, 8)]
