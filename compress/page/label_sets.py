"""Of each label, on how many rows both models give it, and on how many one of them alone."""

from collections import Counter

from compress.judge.report import NO_LABEL, Fidelity
from compress.page.drawing import LETTER, MARGIN, WIDTH, Drawing, box, cut, letters

_MOST = 15  # labels
_HEIGHT = 34.0


def by_label(found: Fidelity) -> Drawing | None:
    """Those on which the two are apart most often first; None of other tasks."""
    if found.flips_of != "labels" or not (found.alike or found.flips):
        return None
    apart: Counter[tuple[str, str]] = Counter()
    for flip in found.flips:
        alone, label = ("shipped", flip.shipped) if flip.teacher == NO_LABEL else ("teacher", flip.teacher)
        apart[label, alone] += flip.rows
    names = {label for label, _ in apart} | found.alike.keys()

    def counts(label: str) -> tuple[int, int, int]:
        return found.alike.get(label, 0), apart[label, "teacher"], apart[label, "shipped"]

    ordered = sorted(names, key=lambda label: (-sum(counts(label)[1:]), -counts(label)[0], label))
    shown = ordered[:_MOST]
    figures = LETTER * 17
    most = max(sum(counts(label)) for label in shown)
    unit = (WIDTH - MARGIN - figures - 8) / most
    parts = [letters(WIDTH - figures, 14, "both / teacher / ships", "soft")]
    top = 26.0
    for number, label in enumerate(shown):
        y, x = top + _HEIGHT * number, MARGIN
        parts.append(letters(x, y + 12, cut(label, 34), "name"))
        for count, look, opacity in zip(
            counts(label), ("cell plain", "cell teacher", "cell student"), (0.5, 0.8, 0.8), strict=True
        ):
            if count:
                parts.append(box(x, y + 18, max(count * unit - 1, 1.5), 9, look, opacity))
            x += count * unit
        said = " / ".join(f"{count:,}" for count in counts(label))
        parts.append(letters(WIDTH - figures, y + 26, said, "figure"))
    bottom = top + _HEIGHT * len(shown)
    if len(ordered) > _MOST:
        parts.append(letters(MARGIN, bottom + 12, f"and {len(ordered) - _MOST:,} more labels", "soft"))
        bottom += 18
    return Drawing(
        "labels",
        "Who gives which label",
        f"Of {found.rows:,} rows those that both give a label (grey), the teacher alone (amber), what ships alone "
        "(green); first the labels on which they part most often.",
        ". ".join(
            f"{label}: both {both}, teacher alone {teacher}, shipped alone {shipped}"
            for label, (both, teacher, shipped) in ((label, counts(label)) for label in shown)
        ),
        bottom + 8,
        parts,
    )
