"""Binary tensors from strangers: every size is checked against what is there."""

import json
import struct

import pytest

from serve.limits import Limits
from serve.protocols.tensors import decode_strings, encode_strings, parse
from serve.refusal import Refusal

LIMITS = Limits()


def body(raw: bytes, **changes: object) -> tuple[bytes, str]:
    tensor = {"name": "text", "shape": [2], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor | changes]}).encode()
    return head + raw, str(len(head))


def test_strings_go_there_and_back() -> None:
    strings = ["great film", "", "ünïcödé 電影 🎬", "a\0b"]
    assert decode_strings(encode_strings(strings)) == strings
    whole, length = body(encode_strings(strings[:2]))
    assert parse(whole, length, LIMITS).texts == strings[:2]


@pytest.mark.parametrize(
    "raw",
    [
        b"\x01",
        b"\x05\0\0\0abc",
        struct.pack("<I", 2**32 - 1) + b"abc",
        struct.pack("<I", 2**31) + b"",
        struct.pack("<I", 2) + b"\xff\xfe" + struct.pack("<I", 0),
        struct.pack("<I", 1) + b"a",  # one element where the shape says two
        encode_strings(["a", "b", "c"]),
        b"",
    ],
)
def test_lengths_that_lie(raw: bytes) -> None:
    whole, length = body(raw)
    with pytest.raises(Refusal) as refused:
        parse(whole, length, LIMITS)
    assert refused.value.status == 422


@pytest.mark.parametrize("length", ["-1", "99999999", str(2**63), "1e3", " 5", "٣", "abc", ""])
def test_a_header_that_lies(length: str) -> None:
    whole, _ = body(encode_strings(["a", "b"]))
    with pytest.raises(Refusal) as refused:
        parse(whole, length, LIMITS)
    assert refused.value.status == 400


def test_an_element_that_is_shorter_than_it_says_is_not_read_as_it_is() -> None:
    """As many elements as the shape says, so that nothing but the length is wrong."""
    whole, length = body(b"\x05\0\0\0abc", shape=[1])
    with pytest.raises(Refusal, match="longer than the tensor"):
        parse(whole, length, LIMITS)


def test_bytes_that_belong_to_no_tensor_are_not_passed_over() -> None:
    raw = encode_strings(["a", "b"])
    whole, length = body(raw + b"more", parameters={"binary_data_size": len(raw)})
    with pytest.raises(Refusal, match="4 bytes follow"):
        parse(whole, length, LIMITS)


def test_a_length_of_json_beyond_the_body_is_refused_also_where_nothing_follows_it() -> None:
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}
    whole = json.dumps({"inputs": [tensor]}).encode()
    assert parse(whole, str(len(whole)), LIMITS).texts == ["a"]
    with pytest.raises(Refusal, match="Inference-Header-Content-Length") as refused:
        parse(whole, str(len(whole) + 1), LIMITS)
    assert refused.value.status == 400


@pytest.mark.parametrize(
    "changes",
    [
        {"shape": [2**31, 2**31]},
        {"shape": [-2]},
        {"shape": [2, 2]},
        {"shape": [0]},
        {"shape": [True, 2]},
        {"shape": "2"},
        {"shape": []},
        {"shape": [2.0]},
        {"datatype": "FP32"},
        {"name": "input_ids"},
        {"parameters": {"binary_data_size": 2**63}},
        {"parameters": {"binary_data_size": -1}},
        {"parameters": {"binary_data_size": True}},
        {"parameters": []},
        {"parameters": {}},
        {"data": ["a", "b"]},
        {"extra": 1},
    ],
)
def test_descriptions_that_lie(changes: dict[str, object]) -> None:
    whole, length = body(encode_strings(["a", "b"]), **changes)
    with pytest.raises(Refusal) as refused:
        parse(whole, length, LIMITS)
    assert refused.value.status == 422


@pytest.mark.parametrize(
    "document",
    [
        [],
        {},
        {"inputs": []},
        {"inputs": [1]},
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": "a"}]},
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": [1]}]},
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}] * 2},
        {"id": 3, "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
        {"id": "x" * 257, "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}]},
        {
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}],
            "outputs": [{"name": "logits"}],
        },
        {
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}],
            "outputs": [{"name": "label"}] * 33,
        },
        {
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}],
            "outputs": [{"name": "label", "parameters": {"classification": 2}}],
        },
        {
            "inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}],
            "parameters": {"timeout": -1},
        },
        {"inputs": [{"name": "text", "shape": [1], "datatype": "BYTES", "data": ["a"]}], "shared_memory": 1},
    ],
)
def test_json_of_another_shape(document: object) -> None:
    with pytest.raises(Refusal) as refused:
        parse(json.dumps(document).encode(), None, LIMITS)
    assert refused.value.status == 422


def test_too_many_and_too_long() -> None:
    for strings in (["a"] * 33, ["a" * 100_001]):
        whole, length = body(encode_strings(strings), shape=[len(strings)])
        with pytest.raises(Refusal) as refused:
            parse(whole, length, LIMITS)
        assert refused.value.status == 413
