"""Tensors of the Open Inference Protocol over HTTP: JSON, and the binary extension.

A binary body is JSON and raw tensors one after the other; the header `Inference-Header-Content-Length` says where the
JSON ends. A BYTES tensor is, for each element, four bytes of length (little endian) and as many bytes. Every size is
checked against the bytes that are there before anything is made of it.
https://github.com/kserve/open-inference-protocol and Triton's extension_binary_data.
"""

import struct
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import orjson

from serve.inputs import Input
from serve.limits import Limits
from serve.protocols.scores import unreadable
from serve.refusal import Refusal
from serve.request import check_texts, parse_json
from serve.tasks import Answer, Answering, SingleLabel

JSON_LENGTH = "inference-header-content-length"
TEXT, TEXT_PAIR, LABEL, PROBABILITIES = "text", "text_pair", "label", "probabilities"
_PREFIX = struct.Struct("<I")
_INPUT_KEYS = {"name", "shape", "datatype", "parameters", "data"}
_REQUEST_KEYS = {"id", "model_name", "model_version", "parameters", "inputs", "outputs"}
LONGEST_ID = 256
_LONGEST_NUMBER = 18  # digits; Python itself refuses to read some thousand
_ONE_LABEL = SingleLabel()
MOST_OUTPUTS = 32


@dataclass(frozen=True, slots=True)
class Wanted:
    """One output, as the client wants it."""

    name: str
    binary: bool
    classification: int = 0  # above 0: so many labels as "score:index:label"


@dataclass(frozen=True, slots=True)
class Request:
    """An inference request whose shape and sizes were checked."""

    id: str | None
    texts: list[Input]
    outputs: list[Wanted]
    seconds: float | None  # the client's deadline


def input_names(*, pairs: bool) -> tuple[str, ...]:
    """The tensors that go in."""
    return (TEXT, TEXT_PAIR) if pairs else (TEXT,)


def parse(
    body: bytes,
    json_length: str | None,
    limits: Limits,
    *,
    pairs: bool = False,
    answering: Answering = _ONE_LABEL,
) -> Request:
    """The request in a body, where the header says so with binary tensors; raises `Refusal` 400, 413 or 422."""
    head, raw = _split(body, json_length)
    document = _object(parse_json(head), "The body", _REQUEST_KEYS)
    parameters = _parameters(document)
    if not all(isinstance(document.get(name), str | None) for name in ("model_name", "model_version")):
        raise unreadable("model_name and model_version must be strings.")
    inputs = document.get("inputs")
    check_names(inputs, pairs=pairs)
    assert isinstance(inputs, list)
    columns: dict[str, list[str]] = {}
    place = 0
    for number, one in enumerate(inputs):
        tensor = _object(one, f"inputs[{number}]", _INPUT_KEYS)
        count = check_tensor(tensor)
        size = _parameters(tensor).get("binary_data_size")
        if size is None:
            found = _json_texts(tensor)
        elif "data" in tensor or type(size) is not int or not 0 <= size <= len(raw) - place:
            raise unreadable(
                f"binary_data_size must be bytes of the {len(raw)} that follow the JSON, without data."
            )
        else:
            found = decode_strings(raw[place : place + size])
            place += size
        columns[tensor["name"]] = counted(tensor["name"], found, count)
    if place != len(raw):
        raise unreadable(f"{len(raw) - place} bytes follow the JSON that no input's binary_data_size has.")
    return request(document.get("id"), columns, document.get("outputs"), parameters, limits, answering)


def check_names(inputs: object, *, pairs: bool) -> None:
    """Raise `Refusal` 422 where these are not the tensors that go in, each once."""
    expected = input_names(pairs=pairs)
    names = (
        [one.get("name") if isinstance(one, dict) else None for one in inputs]
        if isinstance(inputs, list)
        else []
    )
    if len(names) != len(expected) or set(map(str, names)) != set(expected):
        listed = " and ".join(map(repr, expected))
        raise unreadable(
            f"inputs must hold {'one tensor' if len(expected) == 1 else 'the tensors'}, {listed}, of datatype BYTES."
        )


def request(
    request_id: object,
    columns: Mapping[str, list[str]],
    outputs: object,
    parameters: dict[str, Any],
    limits: Limits,
    answering: Answering = _ONE_LABEL,
) -> Request:
    """The request of these parts, however they came; `columns` are the texts by the names of their tensors.

    Raises `Refusal` 413 or 422.
    """
    texts: list[Input] = list(columns[TEXT])
    if TEXT_PAIR in columns:
        first, second = columns[TEXT], columns[TEXT_PAIR]
        if len(first) != len(second):
            raise unreadable(f"{TEXT!r} has {len(first)} elements, and {TEXT_PAIR!r} has {len(second)}.")
        texts = list(zip(first, second, strict=True))
    check_texts(texts, limits)
    return Request(_id(request_id), texts, _outputs(outputs, parameters, answering), _seconds(parameters))


def counted(name: str, texts: list[str], count: int) -> list[str]:
    """The texts, if they are as many as the shape says; raises `Refusal` 422."""
    if len(texts) != count:
        raise unreadable(f"The shape of {name!r} says {count} elements, and there are {len(texts)}.")
    return texts


def decode_strings(raw: bytes) -> list[str]:
    """The elements of a BYTES tensor; raises `Refusal` 422."""
    found, place = [], 0
    while place < len(raw):
        if place + _PREFIX.size > len(raw):
            raise unreadable("A BYTES tensor ends within the length of an element.")
        (length,) = _PREFIX.unpack_from(raw, place)
        place += _PREFIX.size
        if length > len(raw) - place:
            raise unreadable("An element of a BYTES tensor is longer than the tensor.")
        try:
            found.append(raw[place : place + length].decode("utf-8"))
        except UnicodeDecodeError:
            raise unreadable(f"The text of element {len(found)} is not UTF-8.") from None
        place += length
    return found


def encode_strings(strings: Sequence[str]) -> bytes:
    """A BYTES tensor."""
    encoded = [one.encode("utf-8") for one in strings]
    return b"".join(piece for one in encoded for piece in (_PREFIX.pack(len(one)), one))


@dataclass(frozen=True, slots=True)
class Tensor:
    """An output: its elements in row-major order."""

    name: str
    datatype: str  # BYTES, FP32 or INT64
    shape: list[int]
    strings: list[str] | None = None
    numbers: np.ndarray | None = None

    def raw(self) -> bytes:
        """As the binary extension and gRPC carry it."""
        if self.strings is not None:
            return encode_strings(self.strings)
        return np.asarray(self.numbers, dtype="<i8" if self.datatype == "INT64" else "<f4").tobytes()

    def data(self) -> list[Any]:
        """As JSON carries it."""
        if self.strings is not None:
            return self.strings
        exact = np.int64 if self.datatype == "INT64" else np.float64
        found: list[Any] = np.asarray(self.numbers, exact).ravel().tolist()
        return found


def output(
    wanted: Wanted, answers: Sequence[Answer], labels: Sequence[str], answering: Answering = _ONE_LABEL
) -> Tensor:
    """The tensor of this output for these answers."""
    elements = answering.tensor(wanted.name, answers)
    if isinstance(elements, list):
        return Tensor(wanted.name, "BYTES", [len(answers)], strings=elements)
    if elements.dtype == np.int64:
        return Tensor(wanted.name, "INT64", list(elements.shape), numbers=elements)
    numbers = np.asarray(elements, dtype=np.float32)
    if not wanted.classification:
        return Tensor(wanted.name, "FP32", list(numbers.shape), numbers=numbers)
    count = min(wanted.classification, len(labels))
    ranked = np.argsort(-numbers, axis=1, kind="stable")[:, :count]
    strings = [
        f"{numbers[row, index]:f}:{index}:{labels[index]}"
        for row in range(len(answers))
        for index in ranked[row]
    ]
    return Tensor(PROBABILITIES, "BYTES", [len(answers), count], strings=strings)


def respond(
    model: str,
    version: str,
    request: Request,
    answers: Sequence[Answer],
    labels: Sequence[str],
    answering: Answering = _ONE_LABEL,
) -> tuple[bytes, int | None]:
    """The response's body, and the length of its JSON where raw tensors follow it."""
    outputs, pieces = [], []
    for wanted in request.outputs:
        tensor = output(wanted, answers, labels, answering)
        described: dict[str, Any] = {"name": tensor.name, "datatype": tensor.datatype, "shape": tensor.shape}
        if wanted.binary:
            pieces.append(tensor.raw())
            described["parameters"] = {"binary_data_size": len(pieces[-1])}
        else:
            described["data"] = tensor.data()
        outputs.append(described)
    document: dict[str, Any] = {"model_name": model, "model_version": version, "outputs": outputs}
    if request.id is not None:
        document["id"] = request.id
    truncated = [place for place, answer in enumerate(answers) if answer.truncated]
    if truncated:
        document["parameters"] = {"truncated": ",".join(map(str, truncated))}  # texts whose end was not read
    head = orjson.dumps(document)
    return (head + b"".join(pieces), len(head)) if pieces else (head, None)


def output_names(answering: Answering) -> tuple[str, ...]:
    """The tensors that come out."""
    return tuple(one.name for one in answering.tensors(1))


def known_output(name: object, answering: Answering = _ONE_LABEL) -> str:
    """The name of an output that there is; raises `Refusal` 422."""
    known = output_names(answering)
    if name not in known:
        listed = " and ".join(map(repr, known))
        raise unreadable(f"Outputs are {listed}." if len(known) > 1 else f"The output is {listed}.")
    return str(name)


def _split(body: bytes, json_length: str | None) -> tuple[bytes, bytes]:
    if json_length is None:
        return body, b""
    is_number = json_length.isascii() and json_length.isdecimal() and len(json_length) <= _LONGEST_NUMBER
    if not is_number or int(json_length) > len(body):
        raise Refusal(
            400, "bad_header", "Inference-Header-Content-Length is not the length of JSON in this body."
        )
    length = int(json_length)
    return body[:length], body[length:]


def _object(value: object, place: str, known: set[str]) -> dict[str, Any]:
    if not isinstance(value, dict):
        raise unreadable(f"{place} must be an object.")
    unknown = sorted(set(value) - known)
    if unknown:
        raise unreadable(
            f"{place} has an unknown field {unknown[0][:64]!r}; known: {', '.join(sorted(known))}."
        )
    return value


def _parameters(document: dict[str, Any]) -> dict[str, Any]:
    """The parameters, of which unknown ones are passed over, as the protocol has it."""
    parameters = document.get("parameters")
    if parameters is None:
        return {}
    if not isinstance(parameters, dict):
        raise unreadable("parameters must be an object.")
    return parameters


def check_tensor(tensor: dict[str, Any]) -> int:
    """How many elements the shape says; raises `Refusal` 422 for another tensor than of texts."""
    name = tensor.get("name")
    if tensor.get("datatype") != "BYTES":
        raise unreadable(f"The input {name!r} is of datatype BYTES.")
    shape = tensor.get("shape")
    if (
        not isinstance(shape, list)
        or len(shape) not in (1, 2)
        or not all(type(one) is int and 0 < one < 2**31 for one in shape)
        or shape[1:] not in ([], [1])
    ):
        raise unreadable(f"The shape of {name!r} is [texts] or [texts, 1].")
    return int(shape[0])


def _json_texts(tensor: dict[str, Any]) -> list[str]:
    name, data = tensor["name"], tensor.get("data")
    if not isinstance(data, list) or not data:
        raise unreadable(f"data of {name!r} must be a list of texts.")
    flat = [one[0] if isinstance(one, list) and len(one) == 1 else one for one in data]
    if not all(isinstance(one, str) for one in flat):
        raise unreadable(f"data of {name!r} must be a list of texts.")
    return flat


def _outputs(given: object, parameters: dict[str, Any], answering: Answering) -> list[Wanted]:
    binary = parameters.get("binary_data_output") is True
    if given is None:
        return [Wanted(name, binary) for name in output_names(answering)]
    if not isinstance(given, list) or not given:
        raise unreadable("outputs must be a list of at least one output.")
    found = []
    for place, one in enumerate(given):
        asked = _object(one, f"outputs[{place}]", {"name", "parameters"})
        own = _parameters(asked)
        count = own.get("classification", 0)
        name = known_output(asked.get("name"), answering)
        if type(count) is not int or count < 0 or (count and name != PROBABILITIES):
            raise unreadable(f"classification is a whole number of labels, of {PROBABILITIES!r}.")
        found.append(Wanted(name, own.get("binary_data", binary) is True, count))
    if len(found) > MOST_OUTPUTS:
        raise unreadable(f"At most {MOST_OUTPUTS} outputs.")
    return list({one.name: one for one in found}.values())  # each once


def _id(given: object) -> str | None:
    if given is not None and (not isinstance(given, str) or len(given) > LONGEST_ID):
        raise unreadable(f"id must be a string of at most {LONGEST_ID} characters.")
    return given or None


def _seconds(parameters: dict[str, Any]) -> float | None:
    """Microseconds in Triton's `timeout`; 0 is none."""
    given = parameters.get("timeout")
    if given is None or given == 0:
        return None
    if type(given) is not int or given < 0:
        raise unreadable("timeout must be a whole number of microseconds.")
    return given / 1e6
