"""Cases with how often each came, as a table in HTML."""

from collections.abc import Sequence
from html import escape


def counted(title: str, what: str, found: Sequence[tuple[str, int]]) -> str:
    """A line for each case, with a bar beside it."""
    most = max((count for _, count in found), default=0) or 1
    lines = "".join(
        f'<tr><th scope="row">{escape(name)}<span class="tally">'
        f'<i class="same" style="width:{100 * count / most:.2f}%"></i></span></th><td>{count:,}</td></tr>'
        for name, count in found
    )
    heads = f'<tr><th></th><th scope="col">{escape(what)}</th></tr>'
    return (
        f'<div class="plot"><h2>{escape(title)}</h2><div class="wide"><table class="tallies"><thead>{heads}</thead>'
        f"<tbody>{lines}</tbody></table></div></div>"
    )
