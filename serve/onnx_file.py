"""A look into an ONNX file before ONNX Runtime opens it, without the onnx package.

An ONNX file may say that a tensor's values lie in another file. Such files have been used to read what
the model's owner may not see (CVE-2022-25882, CVE-2024-27318, CVE-2026-34446), and ONNX Runtime itself
follows a hard link, and, for a model loaded from bytes, a path relative to the current directory. A
bundle's model is one file, so a model with external data is refused before a session exists.

The walk reads protocol buffers by their wire format and goes into only those fields of
https://github.com/onnx/onnx/blob/main/onnx/onnx.proto that can lead to a tensor.
"""

from collections.abc import Iterator
from pathlib import Path

from serve.errors import BundleError

_VARINT, _FIXED64, _BYTES, _FIXED32 = 0, 1, 2, 5
_EXTERNAL_DATA, _DATA_LOCATION = 13, 14  # fields of TensorProto

# message -> {number of the field: the message that it holds}
_LEADS_TO = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node", 11: "attribute"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
}


def read_self_contained(path: Path) -> bytes:
    """The bytes of a single-file ONNX model; raises `BundleError` if it is none or needs other files."""
    try:
        content = path.read_bytes()
    except OSError as error:
        raise BundleError(
            f"{path} cannot be read: {error.strerror}", "an ONNX file", "give the path of a model file"
        ) from None
    try:
        external = _has_external_data(memoryview(content))
    except ValueError:
        raise BundleError(
            f"{path} is no ONNX file, or only a part of one",
            "a complete ONNX model",
            "export the model again, or copy it again from where it was made",
        ) from None
    if external:
        raise BundleError(
            f"{path} keeps weights in another file (external data)",
            "one file that holds all weights; other files may lie outside the bundle",
            "save the model again as one file: onnx.save(onnx.load(path), path)",
        )
    return content


def _has_external_data(content: memoryview) -> bool:
    """Whether any tensor, however deep, points to another file; raises ValueError on broken bytes."""
    if not content:
        raise ValueError("no bytes at all")
    waiting = [("model", content)]
    while waiting:
        kind, message = waiting.pop()
        for number, value in _fields(message):
            if kind == "tensor":
                if number == _EXTERNAL_DATA or (number == _DATA_LOCATION and value != 0):
                    return True
            elif number in _LEADS_TO[kind] and isinstance(value, memoryview):
                waiting.append((_LEADS_TO[kind][number], value))
    return False


def _fields(message: memoryview) -> Iterator[tuple[int, int | memoryview]]:
    """Number and value of every field; values of fixed width are given as 0, nothing here needs them."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        value: int | memoryview = 0
        if wire == _VARINT:
            value, at = _varint(message, at)
        elif wire == _BYTES:
            length, at = _varint(message, at)
            value = message[at : at + length]
            at += length
        elif wire in (_FIXED64, _FIXED32):
            at += 8 if wire == _FIXED64 else 4
        else:
            raise ValueError(f"wire type {wire}")
        if at > len(message):
            raise ValueError("a field ends after the file")
        yield key >> 3, value


def _varint(message: memoryview, at: int) -> tuple[int, int]:
    """The number that starts at `at`, and where it ends."""
    value = 0
    for shift in range(0, 70, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise ValueError("a number without an end")
