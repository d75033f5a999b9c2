"""Texts that people send without a thought, or with one; and what every protocol must say of each."""

import json
import math
import struct
from collections.abc import Iterator, Sequence
from typing import Any

from fastapi.testclient import TestClient

ODD = {
    "empty": "",
    "blank": " \t\u00a0\u3000 ",
    "joined emoji": "\U0001f469\u200d\U0001f469\u200d\U0001f467 \U0001f1e9\U0001f1ea \U0001f44d\U0001f3fd",
    "combining marks": "Zu\u0308rich cafe\u0301 " + "a" + "\u0301" * 200,
    "right to left": "\u05e9\u05dc\u05d5\u05dd \u0645\u0631\u062d\u0628\u0627 \u202eabc\u202c",
    "controls": "goal\x00soup\x07\x1b[31m\x7f\x85\u200b\ufeff",
    "zeros": "\x00" * 500,
    "line ends": "goal\r\nsoup\rbread\u2028match\x0b\x0c",
    "byte order mark": "\ufeffgoal match",
    "not in Unicode": "\ufdd0\uffff\U0010ffff \ufffd \ue000",
    "other scripts": "\u5317\u4eac \u0e2a\u0e27\u0e31\u0e2a\u0e14 \u0928\u092e\u0938\u094d\u0924\u0947 \U00020bb7",
    "special tokens": "[CLS] goal [SEP] [PAD] [MASK] <s> </s> ##soup",
    "code": '"}]} <script>alert(1)</script> \'; -- %s {0} $(id) =cmd|"x"!A1',
    "one letter": "a" * 5_000,
    "longest": "goal " * 20_000,
}
HALVES = ("\ud83d", "goal \ude00 match", "\udc80")  # of surrogate pairs, which JSON can hold and UTF-8 cannot


def failures(client: TestClient, requests: Sequence[tuple[str, Any]], *, refused: bool = False) -> list[str]:
    """What is wrong with the replies to these (path, document): neither an answer in JSON nor our own words.

    With `refused` an answer is wrong as well.
    """
    return [
        f"{path}: {fault}"
        for path, document in requests
        if (fault := _fault(client, path, document, refused))
    ]


def _fault(client: TestClient, path: str, document: Any, refused: bool) -> str | None:
    headers = {"content-type": "application/json"}
    if isinstance(document, bytes):
        (length,) = struct.unpack("<I", document[:4])
        headers["inference-header-content-length"] = str(length)
        content = document[4:]
    else:
        content = json.dumps(document).encode()  # halves of surrogates as \\ud83d, as JavaScript writes them
    reply = client.post(path, content=content, headers=headers)
    if reply.status_code == 200 and not refused:
        return (
            None
            if _is_finite(json.loads(reply.text, parse_constant=lambda _: math.nan))
            else "a number that is none"
        )
    error = reply.json().get("error") if 400 <= reply.status_code < 500 else None
    words = error.get("message") if isinstance(error, dict) else error
    if isinstance(words, str) and len(words.split()) > 3 and words.isascii():
        return None
    return f"{reply.status_code} {reply.text[:100]!r}"


def _is_finite(document: Any) -> bool:
    if isinstance(document, dict):
        return all(map(_is_finite, document.values()))
    if isinstance(document, list):
        return all(map(_is_finite, document))
    return not isinstance(document, float) or math.isfinite(document)


def tensors(name: str, columns: dict[str, Sequence[str]]) -> Iterator[tuple[str, Any]]:
    """A request of the Open Inference Protocol in JSON, and, of what UTF-8 can hold, one in binary."""
    path = f"/v2/models/{name}/infer"
    yield (
        path,
        {
            "inputs": [
                {"name": column, "shape": [len(texts)], "datatype": "BYTES", "data": [*texts]}
                for column, texts in columns.items()
            ]
        },
    )
    raw = {
        column: b"".join(
            struct.pack("<I", len(encoded)) + encoded
            for encoded in (text.encode("utf-8", "surrogatepass") for text in texts)
        )
        for column, texts in columns.items()
    }
    head = json.dumps(
        {
            "inputs": [
                {
                    "name": column,
                    "shape": [len(texts)],
                    "datatype": "BYTES",
                    "parameters": {"binary_data_size": len(raw[column])},
                }
                for column, texts in columns.items()
            ]
        }
    ).encode()
    yield path, struct.pack("<I", len(head)) + head + b"".join(raw.values())
