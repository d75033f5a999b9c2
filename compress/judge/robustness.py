"""Words and tables for where the answers change: flips, other ways to ask, changed texts."""

from rich import box
from rich.table import Table
from rich.text import Text

from compress.judge.report import NO_LABEL, Fidelity, Flip, Held, Invariance, Report, Shift, Slice
from serve.bundle import Batches

_FLIPS_SHOWN = 3


def flip_lines(fidelity: Fidelity) -> str:
    """Which labels flip to which, where the teacher was how sure, and who is right alone."""
    count = sum(flip.rows for flip in fidelity.flips)
    shown = [f"{_exchanged(flip)} {flip.rows:,}" for flip in fidelity.flips[:_FLIPS_SHOWN]]
    if len(fidelity.flips) > _FLIPS_SHOWN:
        shown.append(f"other pairs {sum(flip.rows for flip in fidelity.flips[_FLIPS_SHOWN:]):,}")
    whole = f"of {fidelity.rows:,} rows" if fidelity.flips_of == "rows" else fidelity.flips_of
    lines = [f"{count:,} {whole}: {', '.join(shown)}"]
    if len(fidelity.by_confidence) > 1:
        least, most = fidelity.by_confidence[0], fidelity.by_confidence[-1]
        lines.append(
            f"{_flipped(least)} where the teacher is least sure (to {least.high:.3f}), "
            f"{_flipped(most)} where it is surest (from {most.low:.3f})"
        )
    if len(fidelity.by_length) > 1:
        short, long = fidelity.by_length[0], fidelity.by_length[-1]
        lines.append(
            f"{_flipped(short)} on the shortest texts (to {short.high:.0f} characters), "
            f"{_flipped(long)} on the longest (from {long.low:.0f})"
        )
    if fidelity.mcnemar is not None:
        test = fidelity.mcnemar
        lines.append(
            f"the teacher alone is right on {test.only_teacher:,} rows, what ships alone on "
            f"{test.only_shipped:,}; McNemar p = {test.p_value:.2g}"
        )
    return "\n".join(lines)


def invariance_line(found: Invariance) -> str:
    """Whether company, padding, order or threads change an answer, and what true batches would change."""
    counted = [case for case in found.cases if case.counted]
    change = max(case.largest_change for case in counted)
    line = (
        f"{found.flips} of {found.rows} answers change with neighbours, padding, order or threads "
        f"(largest change of a probability {change:.1g})"
    )
    if batches := [case for case in found.cases if not case.counted]:
        worst = max(batches, key=lambda case: case.flips)
        line += (
            f"; true batches, which it is not asked in, would flip {worst.flips} and change a probability by up to "
            f"{max(case.largest_change for case in batches):.1g}"
        )
    return line


def batches_line(found: Batches) -> str:
    """How a server asks it, and what batches of each size gave."""
    alone = found.curve[0].per_second
    rates = ", ".join(f"{point.texts}: {point.per_second / alone:.2f}" for point in found.curve[1:])
    way = f"in batches of up to {found.texts} texts" if found.together else "one by one"
    return f"served {way}; texts per second in batches against one by one: {rates}"


def shift_table(report: Report) -> Table:
    """Changed texts and files from elsewhere: both scores, and how far each is below the test rows' score."""
    table = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=(0, 1, 0, 0), show_edge=False)
    table.add_column("changed", overflow="fold")
    table.add_column("rows", justify="right")
    for header in ("teacher\ndrop", "shipped\ndrop", "agreement"):
        table.add_column(header, no_wrap=True)
    for shift in report.generalization:
        # Two lines, so that no interval is torn apart at 80 columns.
        table.add_row(*map(Text, shift_cells(shift, "\n")))
    return table


def shift_cells(shift: Shift, between: str = ", ") -> list[str]:
    """One row of that table, with this between score and drop."""
    held = [_held(one, between) for one in (shift.teacher, shift.shipped)]
    return [shift.name, f"{shift.rows:,}", *held, f"{shift.agreement:.3f}"]


def _held(held: Held | None, between: str) -> str:
    if held is None:
        return "-"
    low, high = held.drop_ci
    return f"{held.score:.3f}{between}{held.drop:+.3f} [{low:+.3f}, {high:+.3f}]"


def _exchanged(flip: Flip) -> str:
    """What the teacher says and what ships says, in words."""
    if flip.shipped == NO_LABEL:
        return f"{flip.teacher} by the teacher alone"
    if flip.teacher == NO_LABEL:
        return f"{flip.shipped} by what ships alone"
    return f"{flip.teacher} to {flip.shipped}"


def _flipped(part: Slice) -> str:
    return f"{100 * (1 - part.agreement):.1f} %"
