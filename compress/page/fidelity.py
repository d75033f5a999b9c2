"""Where what ships parts from its teacher: by label, by confidence and length; and whose confidence is right."""

from collections.abc import Sequence

from compress.judge.report import NO_ENTITY, Fidelity, ReliabilityBin, Slice
from compress.judge.wording import percent
from compress.page.axis import Axis, linear
from compress.page.drawing import (
    LETTER,
    MARGIN,
    WIDTH,
    Drawing,
    across,
    box,
    cut,
    letters,
    line,
    mark,
    path,
    upright,
)

_MOST_LABELS = (
    10  # in a table that can be read; with more, the pairs that are exchanged most often are listed
)
_PAIRS = 12
_TOP, _FOOT = 34.0, 44.0
_HIGH = 210.0  # of a table of few labels


def confusion(found: Fidelity, labels: Sequence[str]) -> Drawing | None:
    """The teacher's label against the shipped one's; None where reports are too old to tell."""
    if not found.alike and not found.flips:
        return None
    if found.flips_of == "labels":
        return None  # see `by_label`
    if found.flips_of == "entities":
        flipped = {name for flip in found.flips for name in (flip.teacher, flip.shipped)}
        labels = [*sorted({*found.alike, *flipped} - {NO_ENTITY}), NO_ENTITY]
    if len(labels) > _MOST_LABELS or not found.alike:
        return _pairs(found) if found.flips else None
    counts = {(flip.teacher, flip.shipped): flip.rows for flip in found.flips}
    counts |= {(label, label): rows for label, rows in found.alike.items()}
    many = len(labels) > 3  # then their names are turned, to stand beside each other
    wide = min(max(map(len, labels)), 11 if many else 14)
    left, top = MARGIN + LETTER * wide + 12, 96.0 if many else 48.0
    cell = (WIDTH - (40 if many else MARGIN) - left) / len(labels)
    high = min(cell, max(_HIGH / len(labels), 34.0))
    most = max((flip.rows for flip in found.flips), default=1)
    parts = [letters(MARGIN, 14, "down: teacher; across: what ships", "soft")]
    for column, label in enumerate(labels):
        x = left + cell * (column + 0.5)
        parts.append(
            letters(x, top - 8, cut(label, 11), "name", "start", turned=-60)
            if many
            else letters(x, top - 8, cut(label, int(cell / LETTER)), "name", "middle")
        )
    for place, teacher in enumerate(labels):
        y = top + high * place
        total = sum(counts.get((teacher, shipped), 0) for shipped in labels)
        parts.append(letters(left - 8, y + high / 2 + 4, cut(teacher, wide), "name", "end"))
        for column, shipped in enumerate(labels):
            rows = counts.get((teacher, shipped), 0)
            alike = teacher == shipped
            share = rows / total if alike and total else rows / most
            opacity = (0.12 + 0.5 * share if alike else 0.15 + 0.45 * share) if rows else 0.04
            look = "cell student" if alike else "cell teacher" if rows else "cell plain"
            parts.append(box(left + cell * column + 1, y + 1, cell - 2, high - 2, look, opacity))
            said = f"{rows}" if rows or len(labels) <= 5 else ""
            parts.append(letters(left + cell * (column + 0.5), y + high / 2 + 4, said, "figure", "middle"))
    return Drawing(
        "confusion",
        f"The teacher's {'entities' if found.flips_of == 'entities' else 'label'}, and what ships says",
        f"{_counted(found)} by both labels. On the diagonal (green) both say the same; beside it "
        "(amber) they part, the stronger the more of those.",
        ". ".join(
            f"teacher {one}, shipped {two}: {rows} {found.flips_of}" for (one, two), rows in counts.items()
        ),
        top + high * len(labels) + 12,
        parts,
    )


def _counted(found: Fidelity) -> str:
    return f"{found.flips_of.capitalize()} (of {found.rows:,} rows)"


def _pairs(found: Fidelity) -> Drawing:
    """The labels that are exchanged most often, where there are too many for a table."""
    shown = found.flips[:_PAIRS]
    others = sum(flip.rows for flip in found.flips[_PAIRS:])
    left, height = 300.0, 26.0
    longest = shown[0].rows
    parts = []
    for number, flip in enumerate(shown):
        y = 16 + height * number
        said = f"{cut(flip.teacher, 19)} \u2192 {cut(flip.shipped, 19)}"
        parts.append(letters(MARGIN, y + 4, said, "name"))
        parts.append(
            box(left, y - 7, max((WIDTH - left - 46) * flip.rows / longest, 2), 14, "cell teacher", 0.6)
        )
        end = left + (WIDTH - left - 46) * flip.rows / longest
        parts.append(letters(end + 6, y + 4, f"{flip.rows:,}", "figure"))
    bottom = 16 + height * len(shown)
    if others:
        parts.append(letters(MARGIN, bottom + 4, f"and {others:,} {found.flips_of} of other pairs", "soft"))
    return Drawing(
        "confusion",
        "The labels that are exchanged most often",
        f"{found.flips_of.capitalize()} of which the teacher says the first label and what ships the second, "
        f"in {found.rows:,} rows.",
        ". ".join(
            f"teacher {flip.teacher}, shipped {flip.shipped}: {flip.rows} {found.flips_of}" for flip in shown
        ),
        bottom + (16 if others else 0),
        parts,
    )


def by_confidence(found: Fidelity) -> Drawing | None:
    """Agreement where the teacher is less sure, and surer; None where it was not told."""
    return _slices(
        "confidence",
        "Agreement by the teacher's confidence",
        "Each line is a quarter of the rows, from those where the teacher is least sure. ",
        [(f"{part.low:.3f} to {part.high:.3f}", part) for part in found.by_confidence],
    )


def by_length(found: Fidelity) -> Drawing | None:
    """Agreement on short texts, and longer ones; None where it was not told."""
    return _slices(
        "length",
        "Agreement by the length of the text",
        "Each line is a quarter of the rows, from the shortest texts. ",
        [(f"{part.low:,.0f} to {part.high:,.0f} characters", part) for part in found.by_length],
    )


def _slices(name: str, title: str, caption: str, parts: Sequence[tuple[str, Slice]]) -> Drawing | None:
    if len(parts) < 2:
        return None
    left, height, figures = MARGIN + LETTER * max(len(said) for said, _ in parts) + 8, 38.0, 132.0
    axis = linear([part.agreement_ci[0] for _, part in parts] + [1.0], left, WIDTH - figures - 12)
    top, bottom = 14.0, 14.0 + height * len(parts)
    drawn = across(axis, top, bottom, "agreement")
    for number, (said, part) in enumerate(parts):
        y = top + height * (number + 0.5)
        low, high = part.agreement_ci
        drawn += [
            letters(MARGIN, y, said, "name"),
            letters(MARGIN, y + 14, f"{part.rows:,} rows", "soft"),
            line(axis.at(low), y, axis.at(high), y, "interval student"),
            mark(axis.at(part.agreement), y, "student"),
            letters(WIDTH - figures, y + 4, percent(part.agreement, part.agreement_ci), "figure"),
        ]
    return Drawing(
        name,
        title,
        caption + "The mark is the share on which both give the same answer, the line its 95 % interval.",
        ". ".join(
            f"{said}: {percent(part.agreement, part.agreement_ci)}, {part.rows} rows" for said, part in parts
        ),
        bottom + _FOOT,
        drawn,
    )


def reliability(found: Fidelity) -> Drawing | None:
    """Accuracy against confidence, of both; None where the rows have no labels."""
    if not found.reliability_teacher or not found.reliability_student:
        return None
    top, bottom, left = _TOP + 14, 276.0, 48.0
    both = [*found.reliability_teacher, *found.reliability_student]
    across_ = linear([min(part.low for part in both), 1.0], left, WIDTH - MARGIN)
    upwards = linear([min(min(part.accuracy, part.low) for part in both), 1.0], bottom, top)
    parts = [
        *upright(upwards, left, WIDTH - MARGIN, "share that is right"),
        *across(across_, top, bottom, "confidence of the answer"),
        line(*_corner(across_, upwards, left), across_.at(1), upwards.at(1), "right-line"),
    ]
    most = max(part.rows for part in both)
    for who, bins in (("teacher", found.reliability_teacher), ("student", found.reliability_student)):
        points = [(across_.at(part.confidence), upwards.at(part.accuracy)) for part in bins]
        parts.append(path(points, who))
        parts += [_bin(part, x, y, who, most) for part, (x, y) in zip(bins, points, strict=True)]
    legend = [("teacher", "teacher", found.ece_teacher), ("student", "what ships", found.ece_student)]
    for number, (who, said, error) in enumerate(legend):
        y = 14 + 18 * number
        parts += [
            mark(WIDTH - 176, y - 4, who, 4.5),
            letters(WIDTH - 164, y, f"{said}, ECE {error or 0:.3f}", "name"),
        ]
    return Drawing(
        "reliability",
        "Can its confidence be relied on?",
        "Answers in bins of equal confidence; the larger a mark, the more rows. On the dotted line confidence is what "
        "it says; below it, answers are surer than right. ECE is the mean distance from the line.",
        ". ".join(
            f"{who}: "
            + ", ".join(f"{part.confidence:.2f} confident, {part.accuracy:.2f} right" for part in bins)
            for who, bins in (("teacher", found.reliability_teacher), ("shipped", found.reliability_student))
        ),
        bottom + _FOOT,
        parts,
    )


def _corner(across_: Axis, upwards: Axis, left: float) -> tuple[float, float]:
    """Where the line of perfect confidence enters the drawing."""
    value = max(across_.low, upwards.low)
    return max(across_.at(value), left), upwards.at(value)


def _bin(part: ReliabilityBin, x: float, y: float, who: str, most: int) -> str:
    return mark(x, y, who, 2.5 + 5.5 * (part.rows / most) ** 0.5)
