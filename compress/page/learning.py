"""How the models learnt: the loss, and the score on the rows that select the checkpoint."""

from collections.abc import Sequence

from compress.judge.report import Report, Training
from compress.judge.wording import metric_name
from compress.page.axis import Axis, linear
from compress.page.drawing import WIDTH, Drawing, across, line, mark, path, upright

_TOP, _BOTTOM, _FOOT = 34.0, 190.0, 44.0
_PLACES = ("first", "second", "third", "fourth", "fifth", "sixth")
_LEFT = 44.0  # room for the numbers of an axis


def curves(report: Report) -> list[Drawing]:
    """A drawing for each training that left a trace."""
    drawn = [_curve(training, report, number) for number, training in enumerate(report.trainings)]
    return [one for one in drawn if one is not None]


def _curve(training: Training, report: Report, number: int) -> Drawing | None:
    scored = metric_name(report) if report.metric else "agreement"
    panels = [
        (name, points, look)
        for name, points, look in (
            ("loss", training.loss, "plain"),
            (f"{scored}, selection rows", training.score, "student"),
        )
        if points
    ]
    if not panels:
        return None
    width = WIDTH / len(panels)
    parts: list[str] = []
    for place, (name, points, look) in enumerate(panels):
        # A teacher's training in the teacher's colour.
        colour = "teacher" if look == "student" and training.stage.startswith("teacher") else look
        parts += _panel(points, training, name, colour, width * place, width)
    kept = training.kept if training.score else None
    return Drawing(
        f"training-{number}",
        _called(training.stage),
        f"{training.steps:,} steps"
        + (f"; the dashed line is the state that was kept, step {kept:,}." if kept else "."),
        ". ".join(
            f"{name}: from {points[0][1]:.3g} at step {points[0][0]} to {points[-1][1]:.3g} at step {points[-1][0]}"
            for name, points, _ in panels
        ),
        _BOTTOM + _FOOT,
        parts,
    )


def _called(stage: str) -> str:
    """A stage for people: `student-2-logits` is "student, second stage: logits"."""
    who, _, rest = stage.partition("-")
    number, _, method = rest.partition("-")
    if method and number.isdecimal() and 0 < int(number) <= len(_PLACES):
        return f"{who}, {_PLACES[int(number) - 1]} stage: {method}"
    return stage


def _panel(
    points: Sequence[tuple[int, float]], training: Training, name: str, look: str, left: float, width: float
) -> list[str]:
    start, end = left + _LEFT, left + width - 20
    across_ = _steps(training.steps, start, end)
    upwards = linear([value for _, value in points], _BOTTOM, _TOP)
    parts = [*upright(upwards, start, end, name), *across(across_, _TOP, _BOTTOM, "step")]
    places = [(across_.at(step), upwards.at(value)) for step, value in points]
    parts.append(path(places, look))
    if len(points) <= 12:
        parts += [mark(x, y, look, 2.5) for x, y in places]
    if training.kept is not None and look != "plain":
        x = across_.at(training.kept)
        parts.append(line(x, _TOP, x, _BOTTOM, "kept"))
    return parts


def _steps(steps: int, start: float, end: float) -> Axis:
    """From nothing to the last step, with three numbers at most."""
    power = 10 ** (len(str(steps)) - 1)
    step = next(
        part for part in (power // 2, power, 2 * power, 5 * power, 10 * power) if part and steps / part < 3
    )
    marks = [float(one) for one in range(0, steps + 1, step)]
    return Axis(
        0.0, float(max(steps, 1)), start, end, marks if len(marks) > 1 else [0.0, float(max(steps, 1))]
    )
