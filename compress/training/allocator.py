"""Memory that training frees and needs again at its next step stays with the process meanwhile.

A step allocates the gradient of the word embeddings anew (47 MB for 30,522 words of 384 numbers). glibc maps so
large a piece from the kernel and hands it back when it is freed, so that every step pays for page faults and
for zeroed pages: a tenth to a fifth of the step of a small student on a processor.
"""

import ctypes
import platform
from collections.abc import Iterator
from contextlib import contextmanager

# From glibc's malloc.h; see mallopt(3).
M_TRIM_THRESHOLD = -1
M_MMAP_MAX = -4

KEPT_AT_MOST = 2**30  # bytes at the top of the heap
# What glibc starts with, and where its own adjustment of the threshold ends.
DEFAULT_MMAP_MAX = 65_536
DEFAULT_KEPT = 64 * 2**20


@contextmanager
def keeping_freed_memory() -> Iterator[bool]:
    """Whether freed memory is kept for what is done inside; afterwards it goes back to the system.

    Where the C library is not glibc (macOS, Windows, musl) nothing is done. Numbers that are computed do not
    depend on it.
    """
    library = _glibc()
    if library is None:
        yield False
        return
    library.mallopt(M_MMAP_MAX, 0)
    library.mallopt(M_TRIM_THRESHOLD, KEPT_AT_MOST)
    try:
        yield True
    finally:
        library.mallopt(M_MMAP_MAX, DEFAULT_MMAP_MAX)
        library.mallopt(M_TRIM_THRESHOLD, DEFAULT_KEPT)
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    if platform.libc_ver()[0] != "glibc":
        return None
    return ctypes.CDLL(None)
