"""A question and its context: the part of the context that answers."""

import re
import string
from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

from app.forms import Field, Form
from app.rows import Both, Difference, Row
from app.tasks.task import Aim, Task, Who, chip, points
from app.views.counted import counted
from app.views.marked import Part, marked
from serve.inputs import Input, parts
from serve.tasks import Answer, Extraction

_PLACES = (
    "the same words",
    "words that overlap",
    "another place",
    "only the teacher answers",
    "only the student answers",
)
_ARTICLES = re.compile(r"\b(a|an|the)\b")
_CHINESE = re.compile("[\u3040-\u30ff\u3400-\u4dbf\u4e00-\u9fff]")
_MORE = "\u2026"
_LONGEST = 60  # characters of an answer in a chip
_RIGHT = 3  # answers that are shown
_AROUND = 120  # characters of a context on either side of what is marked in a list


class QuestionAnswering(Task):
    """Parts of a context, marked in it."""

    name: ClassVar[str] = "question-answering"
    same: ClassVar[str] = "The same answer"
    agreement_means: ClassVar[str] = "same words of the context as the teacher"
    classes_are: ClassVar[str] = "How they differ"
    is_stacked: ClassVar[bool] = True

    def form(self, columns: Mapping[str, str], *, pairs: bool) -> Form:
        """See `Task`."""
        return Form(
            (
                Field("question", "Question", "Type a question here"),
                Field("context", "Context", "and here the text that may answer it"),
            )
        )

    # evaluation.jsonl

    def read_answer(self, asked: Input, told: Mapping[str, Any]) -> Answer:
        """See `Task`."""
        _, context = parts(asked)
        start, end = int(told["start"]), int(told["end"])
        return Extraction(context[start:end], start, end, float(told["score"]), tokens=0)

    def moved(self, answer: Answer, before: Input, after: Input) -> Answer:
        """See `Task`: an answer stands as much further on as there are more spaces in front of the context."""
        assert isinstance(answer, Extraction)
        one, other = (len(text) - len(text.lstrip()) for text in (parts(before)[1], parts(after)[1]))
        if one == other or not answer.answer:
            return answer
        there = other - one
        return Extraction(
            answer.answer, answer.start + there, answer.end + there, answer.score, answer.tokens
        )

    # Two answers

    def difference(self, asked: Input, teacher: Any, student: Any) -> Difference:
        """The very same characters; the change is of the score, of other answers that of the student's own."""
        agree = (teacher.start, teacher.end) == (student.start, student.end)
        change = student.score - teacher.score if agree else student.score
        return Difference(agree, student.label, change)

    def is_right(self, row: Row, answer: Answer) -> bool | None:
        """Exact match with one of the right answers, as SQuAD has it; none of these means no answer."""
        if row.label is None:
            return None
        assert isinstance(answer, Extraction)
        gold = [parts(row.asked)[1][start:end] for start, end in row.label] or [""]
        return _normal(answer.answer) in map(_normal, gold)

    # Looking through rows

    @property
    def classes(self) -> Sequence[str]:
        """How two answers lie to each other."""
        return _PLACES[1:]

    def concerns(self, one: Both, wanted: str) -> bool:
        """See `Task`."""
        return _place(one) == wanted

    # As HTML

    def overview(self, rows: Sequence[Both]) -> str:
        """How the answers of both lie to each other."""
        found = Counter(map(_place, rows))
        return counted("Where both find the answer", "Test rows", [(name, found[name]) for name in _PLACES])

    def says(self, answer: Answer) -> str:
        """See `Task`."""
        return f"answers <b>{escape(_cut(answer.label))}</b>"

    def change(self, apart: Difference) -> str:
        """See `Task`."""
        told = (
            f"{100 * apart.change:+.1f} points, student against teacher"
            if apart.agree
            else f"{apart.change:.1%}"
        )
        return f"Score: {told}." if apart.agree else f"The student is sure at {told}."

    def changed(self, apart: Difference) -> str:
        """See `Task`: the chips of a row say it."""
        return ""

    def body(self, asked: Input, answer: Answer, other: Answer | None = None, who: Who = "student") -> str:
        """The answer, and its place in the context; one that the other model does not give stands out."""
        assert isinstance(answer, Extraction)
        _, context = parts(asked)
        apart = isinstance(other, Extraction) and (other.start, other.end) != (answer.start, answer.end)
        shown = [Part(answer.start, answer.end, "", answer.score, 0, apart)]
        head = f"{escape(_cut(answer.label))} <small>{answer.score:.1%}</small>"
        return f"<h2>{head}</h2>{marked(context, shown)}"

    def texts(self, one: Both) -> list[str]:
        """The question, and the context about both answers, with what only one of them marks standing out."""
        question, context = parts(one.row.asked)
        taught, learnt = one.row.teacher, one.student
        assert isinstance(taught, Extraction)
        assert isinstance(learnt, Extraction)
        spans = sorted({(one.start, one.end) for one in (taught, learnt) if one.answer})
        if len(spans) == 2 and spans[1][0] < spans[0][1]:
            spans = [(spans[0][0], max(end for _, end in spans))]
        first = max(0, min((start for start, _ in spans), default=0) - _AROUND)
        last = max((end for _, end in spans), default=_AROUND) + _AROUND
        before, behind = (_MORE if cut else "" for cut in (first > 0, last < len(context)))
        shown = f"{before}{context[first:last]}{behind}"
        off = len(before) - first
        found = [Part(start + off, end + off, kind=0, apart=not one.apart.agree) for start, end in spans]
        return [f"<b>{escape(question.strip())}</b>", marked(shown, found, small=True)]

    def chips(self, one: Both) -> list[str]:
        """See `Task`; the right answers in the context's own words."""
        _, context = parts(one.row.asked)
        known = one.row.label is not None
        right = dict.fromkeys(context[start:end] for start, end in one.row.label or [])
        gold = (
            [chip(f"right: {' / '.join(map(_cut, [*right][:_RIGHT])) or 'no answer'}", "gold")]
            if known
            else []
        )
        return [*gold, *super().chips(one)[known:]]

    # In words

    def gold(self, label: Any) -> str:
        """See `Task`."""
        return "no answer" if not label else f"{len(label)} places"

    def brief(self, answer: Answer) -> str:
        """See `Task`."""
        return f"{_cut(answer.label)} {answer.score:.0%}"

    # For programs

    def told(self, answer: Answer) -> dict[str, Any]:
        """As `compress serve` tells it."""
        assert isinstance(answer, Extraction)
        return {"answer": answer.answer, "start": answer.start, "end": answer.end, "score": answer.score}

    # Which words matter

    def aim(self, asked: Input, answer: Answer) -> Aim | str:
        """The student's answer, or as much of it as is still there; that there is none, where it says so."""
        assert isinstance(answer, Extraction)
        wanted = set(answer.answer.split())

        def strength(_: Input, found: Answer) -> float:
            assert isinstance(found, Extraction)
            theirs = set(found.answer.split())
            return found.score if (wanted & theirs or wanted == theirs) else 0.0

        label = _cut(answer.label)
        return Aim(label, f"the score of \u201c{label}\u201d", strength, points)


def _place(one: Both) -> str:
    taught, learnt = one.row.teacher, one.student
    assert isinstance(taught, Extraction)
    assert isinstance(learnt, Extraction)
    if one.apart.agree:
        return _PLACES[0]
    if not (taught.answer and learnt.answer):
        return _PLACES[3] if taught.answer else _PLACES[4]
    overlap = taught.start < learnt.end and learnt.start < taught.end
    return _PLACES[1] if overlap else _PLACES[2]


def _normal(text: str) -> str:
    """Small letters, without punctuation, articles and spare spaces (Rajpurkar et al. 2016, section 6.1).

    Of Chinese and Japanese without signs (Cui et al. 2019, section 4).
    """
    if _CHINESE.search(text):
        return "".join(letter for letter in text.lower() if letter.isalnum() or letter.isspace())
    bare = "".join(letter for letter in text.lower() if letter not in string.punctuation)
    return " ".join(_ARTICLES.sub(" ", bare).split())


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1].rstrip()}\u2026"
