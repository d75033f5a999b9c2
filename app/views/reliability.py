"""Whether confidence can be relied on: how often answers of a confidence were right, drawn from the report."""

from collections.abc import Mapping, Sequence
from html import escape
from typing import Any

from app.report import Document

_SIDE = 200  # of the plot's square, in the drawing's own units
_LEFT, _TOP, _RIGHT, _BELOW = 34, 8, 10, 34

_PARTS = {
    0.0: 4,
    0.25: 3,
    0.5: 5,
    0.75: 5,
}  # of the axis, by where it begins, so that round numbers stand there

Bin = Mapping[str, Any]  # low, high, rows, confidence, accuracy


def reliability(report: Document) -> str:
    """A plot for each of the two, with their figures as a table below; empty where the rows have no labels."""
    fidelity = report.get("fidelity") or {}
    sides = [
        (name, fidelity.get(f"reliability_{name.lower()}") or [], fidelity.get(f"ece_{name.lower()}"))
        for name in ("Teacher", "Student")
    ]
    if not all(bins for _, bins, _ in sides):
        return ""
    # Nobody is less sure than 1 in as many labels: the empty part is left out, of both alike.
    start = min(int(4 * bin_["confidence"]) / 4 for _, bins, _ in sides for bin_ in bins)
    start = min(start, 0.75)
    plots = "".join(_figure(name, bins, error, start) for name, bins, error in sides)
    tables = "".join(_table(name, bins) for name, bins, _ in sides)
    return (
        '<div class="plot"><h2>Can confidence be relied on?</h2><p class="note">Of the answers given with a '
        "confidence, how many were right. On the line: as many as promised; below it, too sure. Larger dots: more rows."
        f'</p><div class="pair">{plots}</div><details><summary>The figures</summary>{tables}</details></div>'
    )


def _figure(name: str, bins: Sequence[Bin], error: float | None, start: float) -> str:
    told = f"{name}, calibration error {error:.3f}" if error is not None else name
    return f'<figure class="{name.lower()}">{_plot(name, bins, start)}<figcaption>{escape(told)}</figcaption></figure>'


def _plot(name: str, bins: Sequence[Bin], start: float) -> str:
    def x(share: float) -> float:
        return _LEFT + _SIDE * (share - start) / (1 - start)

    def y(share: float) -> float:
        return _TOP + _SIDE * (1 - share)

    most = max(bin_["rows"] for bin_ in bins)
    points = [(x(bin_["confidence"]), y(bin_["accuracy"])) for bin_ in bins]
    line = " ".join(f"{across:.1f},{down:.1f}" for across, down in points)
    dots = "".join(
        f'<circle cx="{across:.1f}" cy="{down:.1f}" r="{_radius(bin_, most):.1f}">'
        f"<title>{_words(bin_)}</title></circle>"
        for (across, down), bin_ in zip(points, bins, strict=True)
    )
    rules = "".join(
        f'<line class="grid" x1="{x(start)}" x2="{x(1)}" y1="{y(at)}" y2="{y(at)}"/>'
        f'<text x="{_LEFT - 6}" y="{y(at) + 4}" text-anchor="end">{100 * at:.0f}</text>'
        for at in (0, 0.25, 0.5, 0.75, 1)
    )
    parts = _PARTS[start]
    marks = "".join(
        f'<text x="{x(at):.1f}" y="{_TOP + _SIDE + 15}" text-anchor="middle">{100 * at:.0f}</text>'
        for at in (start + (1 - start) * part / parts for part in range(parts + 1))
    )
    width, height = _LEFT + _SIDE + _RIGHT, _TOP + _SIDE + _BELOW
    told = f"{name}: confidence against the share of right answers"
    return (
        f'<svg viewBox="0 0 {width} {height}" role="img" aria-label="{told}">{rules}{marks}'
        f'<line class="ideal" x1="{x(start)}" y1="{y(start)}" x2="{x(1)}" y2="{y(1)}"/>'
        f'<polyline points="{line}"/>{dots}'
        f'<text x="{_LEFT + _SIDE / 2}" y="{height - 3}" text-anchor="middle">confidence, %</text>'
        f'<text x="{_LEFT + 6}" y="{_TOP + 12}">right, %</text></svg>'
    )


def _radius(bin_: Bin, most: int) -> float:
    return float(2.5 + 5 * (bin_["rows"] / most) ** 0.5)


def _words(bin_: Bin) -> str:
    return f"confidence {bin_['confidence']:.1%}: {bin_['accuracy']:.1%} right, {bin_['rows']:,} rows"


def _table(name: str, bins: Sequence[Bin]) -> str:
    lines = "".join(
        f"<tr><td>{bin_['low']:.0%} to {bin_['high']:.0%}</td><td>{bin_['rows']:,}</td>"
        f"<td>{bin_['confidence']:.1%}</td><td>{bin_['accuracy']:.1%}</td></tr>"
        for bin_ in bins
    )
    heads = "".join(f'<th scope="col">{head}</th>' for head in (name, "Rows", "Confidence", "Right"))
    return f"<table><thead><tr>{heads}</tr></thead><tbody>{lines}</tbody></table>"
