"""A running endpoint, as HTML: what it does now, and how that went over the last minutes."""

from collections.abc import Sequence
from html import escape
from itertools import pairwise

from app.live import Lately, Look, between, lately
from serve.info import Info

_WIDTH, _HEIGHT = 600, 120


def live(url: str, info: Info, looks: Sequence[Look], failure: str | None, *, is_this_bundle: bool) -> str:
    """The endpoint's figures and the plot of its texts per second."""
    state = (
        f'<span class="verdict fail">does not answer</span> {escape(failure)}'
        if failure is not None
        else '<span class="verdict pass">answers</span>'
    )
    other = "" if is_this_bundle else (
        '<p class="warning">It serves another bundle than the one that this page shows.</p>'
    )  # fmt: skip
    head = (
        f'<p class="endpoint">{state} <b>{escape(info.name)}</b> <span class="note">{escape(info.precision)} at '
        f"{escape(url)}</span></p>{other}"
    )
    return f'<div class="proof live">{head}{_cards(looks)}{_plot(looks)}</div>'


def _cards(looks: Sequence[Look]) -> str:
    now = lately(list(looks))
    if now is None:
        return '<p class="nothing">Looking for the first time\u2026</p>'
    last = looks[-1]
    found = [
        ("Texts per second", f"{now.texts_per_s:,.1f}", f"over the last {now.seconds:.0f} s"),
        ("Latency p50", _ms(now.p50_ms), f"p95 {_ms(now.p95_ms)}, of requests"),
        ("Waiting", f"{last.waiting:,.0f}", "texts admitted, not yet answered"),
        ("Refused or failed", _share(now), "of the requests of late"),
        ("Texts in all", f"{last.texts:,.0f}", f"{last.truncated:,.0f} of them longer than was read"),
    ]
    cards = "".join(
        f'<div class="card"><p class="over">{name}</p><p class="value">{value}</p><p class="note">{note}</p></div>'
        for name, value, note in found
    )
    return f'<div class="cards">{cards}</div>'


def _ms(value: float | None) -> str:
    return "\u2013" if value is None else f"{value:.1f} ms"


def _share(now: Lately) -> str:
    return f"{now.failed / now.requests:.1%}" if now.requests else "\u2013"


def _plot(looks: Sequence[Look]) -> str:
    if len(looks) < 3:
        return ""
    rates = [between(one, two).texts_per_s for one, two in pairwise(looks)]
    most = max(rates) or 1.0
    # Time runs evenly: a look that came late stands where it was made.
    start, span = looks[1].at, (looks[-1].at - looks[1].at) or 1.0
    points = [
        (_WIDTH * (look.at - start) / span, _HEIGHT * (1 - rate / most))
        for look, rate in zip(looks[1:], rates, strict=True)
    ]
    line = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return (
        f'<figure class="rate"><figcaption>Texts per second, over the last {span:.0f} seconds</figcaption>'
        f'<div class="scaled"><span>{most:,.1f}</span><span>0</span>'
        f'<svg viewBox="0 -2 {_WIDTH} {_HEIGHT + 4}" preserveAspectRatio="none" role="img" '
        f'aria-label="Texts per second over the last {span:.0f} seconds, {most:.1f} at most">'
        f'<line x1="0" x2="{_WIDTH}" y1="0" y2="0"/><line x1="0" x2="{_WIDTH}" y1="{_HEIGHT}" y2="{_HEIGHT}"/>'
        f'<polygon points="0,{_HEIGHT} {line} {_WIDTH},{_HEIGHT}"/><polyline points="{line}"/></svg>'
        f"<span>{span:.0f} s ago</span><span>now</span></div></figure>"
    )
