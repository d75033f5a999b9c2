"""Entities in a text: where they stand, and of which type they are."""

from collections import Counter
from collections.abc import Mapping, Sequence
from html import escape
from typing import Any, ClassVar

from app.entities import Key, by_words, inside, joined, keys, name, right_ones, score_of
from app.rows import Both, Difference, Row
from app.tasks.task import Aim, Task, Who, chip, points
from app.views.marked import Part, marked
from app.views.tallies import Tally, tallies
from serve.inputs import Input, parts
from serve.tasks import Answer, Tagging
from serve.tasks.entities import OUTSIDE, Told, kind_of

_SHOWN = 4  # entities in a line of words, and differences of a row


class TokenClassification(Task):
    """Entities, marked in the text."""

    name: ClassVar[str] = "token-classification"
    same: ClassVar[str] = "The same entities"
    agreement_means: ClassVar[str] = "same entities as the teacher"
    classes_are: ClassVar[str] = "Type of entity"
    is_stacked: ClassVar[bool] = True

    # evaluation.jsonl

    def read_answer(self, asked: Input, told: Mapping[str, Any]) -> Answer:
        """See `Task`; a word's score is that of its first piece, an entity's the mean of its words'."""
        (text,) = parts(asked)
        firsts = [(int(one[1]), float(one[4])) for one in told["pieces"] if len(one) == 5]
        found = []
        for one in told["entities"]:
            start, end = int(one["start"]), int(one["end"])
            scores = [score for place, score in firsts if start <= place < end]
            found.append(
                {
                    "entity_group": str(one["entity_group"]),
                    "score": sum(scores) / len(scores) if scores else 1.0,
                    "word": text[start:end],
                    "start": start,
                    "end": end,
                }
            )
        return Tagging(tuple(found), tokens=0)

    def moved(self, answer: Answer, before: Input, after: Input) -> Answer:
        """See `Task`: entities stand as much further on as there are more spaces in front."""
        assert isinstance(answer, Tagging)
        one, other = (len(text) - len(text.lstrip()) for text in (parts(before)[0], parts(after)[0]))
        if one == other:
            return answer
        there = other - one
        entities = tuple(
            {**entity, "start": entity["start"] + there, "end": entity["end"] + there}
            for entity in answer.entities
        )
        return Tagging(entities, answer.tokens)

    # Two answers

    def difference(self, asked: Input, teacher: Any, student: Any) -> Difference:
        """Of the entities; the largest change is of the surest one that only one of the two finds."""
        taught, learnt = keys(teacher), keys(student)
        scores = {key: score_of(taught.get(key)) - score_of(learnt.get(key)) for key in {**taught, **learnt}}
        apart = taught.keys() ^ learnt.keys()
        if not scores:
            return Difference(True, "", 0.0)
        key = max(sorted(apart or scores), key=lambda one: abs(scores[one]))
        return Difference(not apart, name(parts(asked)[0], taught.get(key) or learnt[key]), -scores[key])

    def is_right(self, row: Row, answer: Answer) -> bool | None:
        """The very entities of the words that are tagged: where words begin is the data's, not the models'."""
        if row.label is None:
            return None
        words = [(int(start), int(end), str(tag)) for start, end, tag in row.label]
        return by_words(answer, words) == right_ones(words)

    # Looking through rows

    @property
    def classes(self) -> Sequence[str]:
        """The types."""
        return tuple(dict.fromkeys(kind_of(label)[1] for label in self.labels if label != OUTSIDE))

    def concerns(self, one: Both, wanted: str) -> bool:
        """In which types a row differs; where it does not, which it has."""
        taught, learnt = keys(one.row.teacher), keys(one.student)
        found = taught.keys() if one.apart.agree else taught.keys() ^ learnt.keys()
        return any(kind == wanted for *_, kind in found)

    # As HTML

    def overview(self, rows: Sequence[Both]) -> str:
        """Of each type, how many entities both find, or one alone."""
        counted: Counter[tuple[str, bool, bool]] = Counter()
        for one in rows:
            taught, learnt = keys(one.row.teacher), keys(one.student)
            counted.update((key[2], key in taught, key in learnt) for key in {**taught, **learnt})
        shown = [
            Tally(kind, counted[kind, True, True], counted[kind, True, False], counted[kind, False, True])
            for kind in self.classes
        ]
        right = Counter(
            kind for one in rows if one.row.label is not None for *_, kind in right_ones(one.row.label)
        )
        return tallies(
            "Who finds which entities",
            "Entities of the test rows by type. One with other ends, or of another type, counts for each model alone.",
            shown,
            right if any(one.row.label is not None for one in rows) else None,
        )

    def says(self, answer: Answer) -> str:
        """See `Task`."""
        assert isinstance(answer, Tagging)
        count = len(answer.entities)
        return (
            f"finds <b>{count} entit{'y' if count == 1 else 'ies'}</b>" if count else "finds <b>no entity</b>"
        )

    def sure(self, answer: Answer) -> str:
        """See `Task`: each entity has a score of its own."""
        return ""

    def change(self, apart: Difference) -> str:
        """See `Task`."""
        if not apart.label:
            return ""
        if apart.agree:
            told = f"{100 * apart.change:+.1f} points for <b>{escape(apart.label)}</b>"
            return f"Largest change in score, student against teacher: {told}."
        who = "student" if apart.change > 0 else "teacher"
        return f"The surest difference: only the {who} finds <b>{escape(apart.label)}</b>, {abs(apart.change):.0%}."

    def changed(self, apart: Difference) -> str:
        """See `Task`: the chips of a row say it."""
        return ""

    def verdict(self, taught: Answer, learnt: Answer, apart: Difference) -> str:
        """See `Task`."""
        if not apart.agree:
            return super().verdict(taught, learnt, apart)
        assert isinstance(learnt, Tagging)
        count = len(learnt.entities)
        on = {0: "there is no entity here", 1: "they find the same entity"}.get(
            count, f"they find the same {count} entities"
        )
        return f"<b>They agree</b>: {on}. {self.change(apart)}"

    def body(self, asked: Input, answer: Answer, other: Answer | None = None, who: Who = "student") -> str:
        """The text with the entities marked; those that the other model does not find stand out."""
        (text,) = parts(asked)
        theirs = None if other is None else keys(other)
        shown = [self._part(one, key, theirs) for key, one in keys(answer).items()]
        count = len(shown)
        head = f"{count} entit{'y' if count == 1 else 'ies'}" if count else "no entity"
        return f"<h2>{head}</h2>{marked(text, shown)}"

    def _part(self, one: Told, key: Key, theirs: Mapping[Key, Told] | None) -> Part:
        start, end, kind = key
        apart = theirs is not None and key not in theirs
        place = self.classes.index(kind) if kind in self.classes else 0
        told = f"{kind}, {score_of(one):.1%}{', the other model does not find it' * apart}"
        return Part(start, end, kind, score_of(one), place, apart, told)

    def texts(self, one: Both) -> list[str]:
        """The text, with what only one finds standing out, and what both find."""
        taught, learnt = keys(one.row.teacher), keys(one.student)
        apart = [Part(start, end, apart=True) for start, end, _ in taught.keys() ^ learnt.keys()]
        both = [
            Part(start, end, kind=self.classes.index(kind) if kind in self.classes else 0)
            for start, end, kind in taught.keys() & learnt.keys()
        ]
        return [marked(one.row.text, [*joined(apart), *both], small=True)]

    def chips(self, one: Both) -> list[str]:
        """What only one of the two finds, whether each is right, and what is right there."""
        text = one.row.text
        found = [] if one.apart.agree or one.row.label is None else [chip(f"right: {_right(one)}", "gold")]
        sides = (("teacher", one.row.teacher, one.student), ("student", one.student, one.row.teacher))
        for place, (who, answer, other) in enumerate(sides):
            theirs = keys(other)
            alone = [entity for key, entity in keys(answer).items() if key not in theirs]
            right = None if one.right is None else one.right[place]
            mark = "" if right is None else "\u2713 " if right else "\u2717 "
            look = "" if right is None else "right" if right else "wrong"
            what = ", ".join(f"{name(text, entity)} {score_of(entity):.0%}" for entity in alone[:_SHOWN])
            more = f" and {len(alone) - _SHOWN} more" if len(alone) > _SHOWN else ""
            said = f"{who} only: {what}{more}" if alone else f"{who}: nothing else" if not one.apart.agree else (
                f"{who}: {len(keys(answer)) or 'no'} entit{'y' if len(keys(answer)) == 1 else 'ies'}"
            )  # fmt: skip
            found.append(chip(f"{mark}{said}", look))
        return found

    def plain(self, asked: Input, answer: Answer) -> str:
        """See `Task`."""
        (text,) = parts(asked)
        return ", ".join(name(text, one) for one in keys(answer).values()) or "no entity"

    # For programs

    def told(self, answer: Answer) -> dict[str, Any]:
        """The entities, as `compress serve` tells them."""
        assert isinstance(answer, Tagging)
        return {"entities": [dict(one) for one in answer.entities]}

    # Which words matter

    def aim(self, asked: Input, answer: Answer) -> Aim | str:
        """The surest entity, or as much of it as is still there."""
        assert isinstance(answer, Tagging)
        if not answer.entities:
            return "The student finds no entity in this text, so there is nothing for words to speak for."
        (text,) = parts(asked)
        best = max(answer.entities, key=score_of)
        wanted, kind = set(inside(text, best).split()), best.get("entity_group")

        def strength(shortened: Input, found: Answer) -> float:
            assert isinstance(found, Tagging)
            (rest,) = parts(shortened)
            alike = [
                one
                for one in found.entities
                if one.get("entity_group") == kind and wanted & set(inside(rest, one).split())
            ]
            return max(map(score_of, alike), default=0.0)

        called = name(text, best)
        return Aim(called, f"the score of {called}", strength, points)


def _right(one: Both) -> str:
    """The right entities where the two models differ."""
    differ = keys(one.row.teacher).keys() ^ keys(one.student).keys()
    spans = [
        (one.row.label[first][0], one.row.label[last - 1][1], kind)
        for first, last, kind in right_ones(one.row.label)
    ]
    there = sorted(
        span for span in spans if any(span[0] < end and start < span[1] for start, end, _ in differ)
    )
    named = ", ".join(f"{one.row.text[start:end]} ({kind})" for start, end, kind in there[:_SHOWN])
    return named or "no entity there"
