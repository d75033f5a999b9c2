"""What the page is made of besides drawings: sections, tables, lists of facts."""

from collections.abc import Sequence
from dataclasses import dataclass

from compress.judge.report import Interval, Status
from compress.page.drawing import Drawing, plain

NONE = "\u2013"


@dataclass(frozen=True)
class Html:
    """What is markup already, and is not made plain again."""

    markup: str


@dataclass(frozen=True)
class Column:
    """A column of a table: its head, and how its cells stand."""

    head: str
    number: bool = False  # to the right, in one line
    wide: bool = False  # a sentence, which a narrow screen shows under the others, without its head


Cell = str | Html


def section(name: str, title: str, lead: str, *parts: str) -> str:
    """A part of the page; nothing where none of its parts holds anything."""
    inside = "".join(parts)
    if not inside:
        return ""
    said = f'<p class="lead">{plain(lead)}</p>' if lead else ""
    return f'<section id="{name}"><h2>{plain(title)}</h2>{said}{inside}</section>'


def table(columns: Sequence[Column], rows: Sequence[Sequence[Cell]], best: Sequence[int] = ()) -> str:
    """A row per thing, its name first; the rows of these numbers stand out. Nothing without rows."""
    if not rows:
        return ""
    heads = "".join(f'<th scope="col"{_look(column)}>{plain(column.head)}</th>' for column in columns)
    lines = []
    for number, row in enumerate(rows):
        name, *others = [_cell(cell) for cell in row]
        cells = "".join(
            f'<td{_look(column)} data-head="{plain(column.head)}"><span>{cell}</span></td>'
            for column, cell in zip(columns[1:], others, strict=True)
        )
        look = ' class="best"' if number in best else ""
        lines.append(f'<tr{look}><th scope="row">{name}</th>{cells}</tr>')
    return f'<div class="sheet"><table><thead><tr>{heads}</tr></thead><tbody>{"".join(lines)}</tbody></table></div>'


def facts(rows: Sequence[tuple[str, Cell]]) -> str:
    """A word and what is to be said of it, in lines."""
    lines = "".join(f"<dt>{plain(word)}</dt><dd>{_cell(said)}</dd>" for word, said in rows)
    return f'<dl class="facts card">{lines}</dl>' if rows else ""


def drawings(drawn: Sequence[Drawing | None]) -> str:
    """Drawings side by side, each with how to read it; those that have no figures are left out."""
    shown = "".join(
        f'<figure class="card" id="{one.name}"><h3>{plain(one.title)}</h3>'
        f"<figcaption>{plain(one.caption)}</figcaption>{one.svg()}</figure>"
        for one in drawn
        if one is not None
    )
    return f'<div class="grid">{shown}</div>' if shown else ""


def bullets(lines: Sequence[str]) -> str:
    """A list of sentences."""
    items = "".join(f"<li>{plain(line)}</li>" for line in lines)
    return f'<ul class="card list">{items}</ul>' if lines else ""


def pill(status: Status) -> Html:
    """A status in its colour and in words."""
    return Html(f'<span class="pill {status}">{status}</span>')


def beside(value: str, interval: Interval | None, form: str = "{:.3f}") -> Html:
    """A figure with its interval in smaller letters."""
    if interval is None:
        return Html(plain(value))
    low, high = (form.format(bound) for bound in interval)
    return Html(f"{plain(value)} <small>[{plain(low)}, {plain(high)}]</small>")


def _cell(cell: Cell) -> str:
    if isinstance(cell, Html):
        return cell.markup
    lines = [plain(line) for line in cell.split("\n")]
    return "\n".join(lines)


def _look(column: Column) -> str:
    look = " ".join(name for name, given in (("n", column.number), ("wide", column.wide)) if given)
    return f' class="{look}"' if look else ""
