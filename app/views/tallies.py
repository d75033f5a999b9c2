"""Of each label or type how often both models give it, or one of them alone, as a table in HTML."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from html import escape

_MOST = 15  # lines


@dataclass(frozen=True, slots=True)
class Tally:
    """How often what has this name is given."""

    name: str
    both: int
    teacher: int  # alone
    student: int  # alone

    @classmethod
    def of(cls, name: str, given: Iterable[tuple[bool, bool]]) -> "Tally":
        """From whether the teacher gives it, and the student, in each case."""
        pairs = list(given)
        return cls(name, *(pairs.count(one) for one in ((True, True), (True, False), (False, True))))

    @property
    def apart(self) -> int:
        """How often one alone gives it."""
        return self.teacher + self.student


def tallies(title: str, note: str, found: Sequence[Tally], right: Mapping[str, int] | None = None) -> str:
    """A line each, those on which the two are apart most often first; `right` is how often each is right."""
    lines = sorted(found, key=lambda one: (-one.apart, -one.both))
    shown = lines[:_MOST]
    largest = max((one.both + one.apart for one in lines), default=0) or 1
    rows = "".join(_line(one, largest, right) for one in shown)
    more = len(lines) - len(shown)
    rest = ""
    if more > 0:
        others = sum(one.apart for one in lines[_MOST:])
        rest = f'<p class="note">{more} more, on which they are apart {others:,} times.</p>'
    names = ["", "Both", "Teacher only", "Student only", *["Right"] * (right is not None)]
    heads = "".join(f'<th scope="col">{name}</th>' for name in names)
    key = (
        '<p class="note tally-key"><span class="tally"><i class="same" style="width:100%"></i></span> both '
        '<span class="tally"><i class="of-teacher" style="width:100%"></i></span> teacher only '
        '<span class="tally"><i class="of-student" style="width:100%"></i></span> student only</p>'
    )
    return (
        f'<div class="plot"><h2>{escape(title)}</h2><p class="note">{escape(note)}</p>{key}<div class="wide">'
        f'<table class="tallies"><thead><tr>{heads}</tr></thead><tbody>{rows}</tbody></table></div>{rest}</div>'
    )


def _line(one: Tally, largest: int, right: Mapping[str, int] | None) -> str:
    parts = (("same", one.both), ("of-teacher", one.teacher), ("of-student", one.student))
    bar = "".join(
        f'<i class="{look}" style="width:{100 * count / largest:.2f}%"></i>' for look, count in parts if count
    )
    counts = [one.both, one.teacher, one.student, *([right.get(one.name, 0)] if right is not None else [])]
    cells = "".join(f"<td>{count:,}</td>" for count in counts)
    return f'<tr><th scope="row">{escape(one.name)}<span class="tally">{bar}</span></th>{cells}</tr>'
