"""In which encoding a file is that should have been UTF-8, as far as its first bytes tell."""

import codecs
from pathlib import Path

_MARKS = (codecs.BOM_UTF32_LE, codecs.BOM_UTF32_BE, codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)
_LOOKED_AT = 200  # bytes


def wide_encoding(path: Path) -> str | None:
    """UTF-16 or UTF-32, as spreadsheets save "Unicode text"; None for what shows no sign of either."""
    with path.open("rb") as stream:
        start = stream.read(_LOOKED_AT)
    if start.startswith(_MARKS[:2]):
        return "UTF-32"
    if start.startswith(_MARKS[2:]):
        return "UTF-16"
    # Without a mark every second byte of letters is zero, which no line of a text in UTF-8 has.
    few, many = sorted((start[::2].count(0), start[1::2].count(0)))
    return "UTF-16" if few == 0 and many > len(start) // 4 else None


def how_to_convert(found: str | None) -> str:
    """The command that makes UTF-8 of it, to be adapted where nothing is known."""
    if found is not None:
        return f"iconv -f {found.lower()} -t utf-8 IN > OUT"
    return "iconv -f latin1 -t utf-8 IN > OUT (of Chinese files -f gb18030)"
