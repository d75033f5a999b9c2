"""Text files of any size, one text per line, each read when it is needed.

What is kept in memory is where the lines are, 16 bytes a line, so a training that shuffles and one that is
resumed can read any line at any time.
"""

import hashlib
import zlib
from array import array
from collections.abc import Iterator, Sequence
from itertools import accumulate
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from compress.data.read import FORMATS
from compress.errors import DataError
from serve.text_encoding import how_to_convert, wide_encoding

LONGEST = 1 << 24  # bytes; a longer line means a file without line ends
PACKED = (".gz", ".bz2", ".xz", ".zst", ".zip")
BYTE_ORDER_MARK = b"\xef\xbb\xbf"


class TextLines:
    """The lines of files that are not blank, in order.

    Raises `DataError` where a file cannot be read, is no UTF-8 text or holds none; all of it is looked
    through at once, so that no training stumbles over it after hours.
    """

    def __init__(self, files: Sequence[Path]) -> None:
        self.files = tuple(files)
        starts, sizes, marks = array("q"), array("I"), array("I")
        counts, content = [], hashlib.sha256()
        for file in self.files:
            before = len(starts)
            for start, text in _lines(file):
                starts.append(start)
                sizes.append(len(text))
                marks.append(zlib.crc32(text))
                content.update(text + b"\n")
            counts.append(len(starts) - before)
        self.content = content.hexdigest()  # sha256 over the lines, in order
        self._starts, self._sizes, self._marks = map(np.asarray, (starts, sizes, marks))
        self._ends = list(accumulate(counts))  # for each file, the lines up to its end

    def __len__(self) -> int:
        return len(self._starts)

    def __getitem__(self, index: int) -> str:
        """A line, without the space around it."""
        if not 0 <= index < len(self):
            raise IndexError(f"line {index} of {len(self)}")
        file = self.files[int(np.searchsorted(self._ends, index, side="right"))]
        with file.open("rb") as stream:
            stream.seek(int(self._starts[index]))
            return stream.read(int(self._sizes[index])).decode("utf-8")

    def sizes(self, chosen: NDArray[np.int64]) -> NDArray[np.uint32]:
        """Bytes of these lines, of shape (chosen,)."""
        return np.asarray(self._sizes[chosen], np.uint32)

    def marks(self, chosen: NDArray[np.int64]) -> NDArray[np.uint64]:
        """One number for each of these lines, of shape (chosen,): equal texts have equal ones, others hardly ever."""
        checksums = self._marks[chosen].astype(np.uint64) << np.uint64(32)
        return np.asarray(checksums | self._sizes[chosen], np.uint64)


def _lines(file: Path) -> Iterator[tuple[int, bytes]]:
    """Where each line that is not blank begins, in bytes, and the line without the space around it."""
    _refuse_other_formats(file)
    place, number, found = 0, 0, False
    try:
        with file.open("rb") as stream:
            while line := stream.readline(LONGEST + 1):
                number += 1
                if len(line) > LONGEST:
                    raise _without_line_ends(file, number)
                if text := _stripped(line, file, number):
                    found = True
                    yield place + line.index(text), text
                place += len(line)
    except OSError as error:
        raise DataError(
            f"{file} cannot be read: {error.strerror}", "a text file", "check its permissions"
        ) from None
    if not found:
        raise DataError(f"{file} holds no text", "one text per line", "check the file, or leave it out")


def _stripped(line: bytes, file: Path, number: int) -> bytes:
    if number == 1:
        line = line.removeprefix(BYTE_ORDER_MARK)
    try:
        return line.decode("utf-8").strip().encode("utf-8")
    except UnicodeDecodeError as error:
        raise DataError(
            f"line {number} of {file} is not UTF-8 text ({error.reason})",
            "text in UTF-8",
            f"convert the file, for example: {how_to_convert(wide_encoding(file))}",
        ) from None


def _refuse_other_formats(file: Path) -> None:
    suffix = file.suffix.lower()
    if suffix in PACKED:
        raise DataError(f"{file} is packed", "text files as they are, one text per line", "unpack it first")
    if suffix in FORMATS:
        raise DataError(
            f"{file} is a {suffix[1:]} file",
            "text files, one text per line",
            "write its column of texts to a .txt file, one text per line",
        )


def _without_line_ends(file: Path, number: int) -> DataError:
    return DataError(
        f"line {number} of {file} has more than {LONGEST:,} bytes",
        "one text per line",
        "put line ends between its texts",
    )
