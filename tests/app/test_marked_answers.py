"""Answers to questions are marked in their context, and two of them are told apart."""

import re
from html import unescape

import pytest

from app.rows import Row
from app.stored_teacher import StoredTeacher
from app.tasks.question_answering import QuestionAnswering
from compress.judge.answer_texts import EXACT_MATCH, answer_value
from serve.tasks import Extraction
from serve.tasks import QuestionAnswering as Answers

TASK = QuestionAnswering(Answers(impossible=True), ("start", "end"))
ROCKET = "\U0001f469\u200d\U0001f680"  # three characters for Python, five for JavaScript
CONTEXT = f"{ROCKET}{ROCKET} It was written by the Ada Lovelace, in Paris."


def extraction(words: str, context: str = CONTEXT, score: float = 0.8) -> Extraction:
    start = context.index(words) if words else 0
    return Extraction(words, start, start + len(words), score, tokens=0)


def row(gold: list[str] | None, teacher: Extraction, context: str = CONTEXT) -> Row:
    label = None if gold is None else [[context.index(one), context.index(one) + len(one)] for one in gold]
    return Row(0, "Who wrote it?", label, teacher, context)


@pytest.mark.parametrize(
    ("gold", "words"),
    [
        (["Ada Lovelace"], "the Ada Lovelace,"),
        (["Ada Lovelace"], "Ada"),
        (["Paris", "Ada Lovelace"], "Ada Lovelace"),
        ([], ""),
        ([], "Paris"),
        (["Paris"], ""),
        (["Paris."], "Paris"),
    ],
)
def test_an_answer_is_right_where_it_matches_exactly_as_squad_has_it(gold: list[str], words: str) -> None:
    found = TASK.is_right(row(gold, extraction("")), extraction(words))
    assert found == (answer_value(EXACT_MATCH, words, gold) == 1)
    assert TASK.is_right(row(None, extraction("")), extraction(words)) is None


@pytest.mark.parametrize(
    "words",
    ["\u5317\u4eac", "\u5317\u4eac\u3002", "\u300a\u5317\u4eac\u300b", "\u4e0a\u6d77", "\u5317 \u4eac", ""],
)
def test_chinese_answers_match_without_their_signs(words: str) -> None:
    context = "\u300a\u5317\u4eac\u300b\u5728\u5317\u4eac\u3002\u5317 \u4eac\u5728\u4e0a\u6d77"
    found = TASK.is_right(row(["\u5317\u4eac"], extraction("", context), context), extraction(words, context))
    assert found == (answer_value(EXACT_MATCH, words, ["\u5317\u4eac"], chinese=True) == 1)


@pytest.mark.parametrize(
    ("taught", "learnt", "place"),
    [
        ("Ada", "Ada", None),
        ("Ada Lovelace", "Ada", "words that overlap"),
        ("Ada", "Lovelace", "another place"),
        ("Ada", "", "only the teacher answers"),
        ("", "Ada", "only the student answers"),
        ("", "", None),
    ],
)
def test_rows_are_found_by_how_two_answers_differ(taught: str, learnt: str, place: str | None) -> None:
    one = TASK.both(row(["Ada"], extraction(taught)), extraction(learnt))
    assert one.apart.agree is (place is None)
    assert [name for name in TASK.classes if TASK.concerns(one, name)] == ([place] if place else [])


def test_the_context_is_whole_and_the_answers_characters_are_marked() -> None:
    asked = ("Who wrote it?", CONTEXT)
    html = TASK.body(asked, extraction("Ada Lovelace"), extraction("Ada"))
    (inside,) = re.findall(r'<mark class="part kind-0 apart"[^>]*>([^<]*)', html)
    assert inside == "Ada Lovelace"
    paragraph = html.partition('<p class="marked" dir="auto">')[2].partition("</p>")[0]
    assert unescape(re.sub(r"<bdi.*?</bdi>|<[^>]+>", "", paragraph)) == CONTEXT
    assert "apart" not in TASK.body(asked, extraction("Ada"), extraction("Ada"))
    none = TASK.body(asked, extraction(""), extraction("Ada"))
    assert "<mark" not in none
    assert "no answer" in none


def test_a_long_context_is_shown_about_both_answers_in_a_list() -> None:
    context = f"{'before ' * 200}Ada Lovelace{' between' * 5} Paris{' behind' * 200}"
    one = TASK.both(row(["Ada"], extraction("Ada Lovelace", context), context), extraction("Paris", context))
    question, shown = TASK.texts(one)
    assert question == "<b>Who wrote it?</b>"
    assert re.findall(r'<mark class="part kind-0 apart"[^>]*>([^<]*)', shown) == ["Ada Lovelace", "Paris"]
    text = unescape(re.sub(r"<bdi.*?</bdi>|<[^>]+>", "", shown))
    assert len(text) < 400
    assert (text[0], text[-1]) == ("\u2026", "\u2026")
    assert text.strip("\u2026") in context
    chips = "".join(TASK.chips(one))
    assert "right: Ada" in chips
    assert "teacher: Ada Lovelace 80%" in chips


def test_a_stored_answer_is_found_with_other_spaces_around_the_context() -> None:
    context = f"  \n{CONTEXT} "
    stored = TASK.read_answer(
        ("q", context), {"start": context.index("Ada"), "end": context.index("Ada") + 3, "score": 0.5}
    )
    assert isinstance(stored, Extraction)
    assert stored.answer == "Ada"
    teacher = StoredTeacher([Row(0, "q", None, stored, context)], TASK)
    (found,) = teacher.predict([(" q", CONTEXT)])
    assert isinstance(found, Extraction)
    assert CONTEXT[found.start : found.end] == "Ada"


def test_words_speak_for_as_much_of_the_answer_as_is_still_there() -> None:
    aim = TASK.aim(("q", CONTEXT), extraction("Ada Lovelace"))
    assert not isinstance(aim, str)
    asked = ("q", "Lovelace in Paris")
    assert aim.strength(asked, extraction("Lovelace", asked[1], 0.6)) == 0.6
    assert aim.strength(asked, extraction("Paris", asked[1], 0.9)) == 0
    nothing = TASK.aim(("q", CONTEXT), extraction(""))
    assert not isinstance(nothing, str)
    assert nothing.label == "no answer"
    assert nothing.strength(asked, extraction("", asked[1], 0.7)) == 0.7
    assert nothing.strength(asked, extraction("Paris", asked[1], 0.9)) == 0
