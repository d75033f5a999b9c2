"""The servers that ours is measured beside."""

import http.client
import json
import os
from pathlib import Path

import serve
from benchmarks.serving.__main__ import table
from benchmarks.serving.contestants import Running, line_up


def test_the_bare_socket_answers_as_the_runtime_does(bundle_folder: Path, tmp_path: Path) -> None:
    """Request after request over a connection, in pieces, and over the next connection after a broken one."""
    (bare,) = (
        one for one in line_up(bundle_folder, tmp_path, tmp_path, tmp_path) if one.name.startswith("a bare")
    )
    assert bare.connections == (1,)
    texts = ["a good film", "no plot", "awful music, flat ending"]
    expected = [one.label for one in serve.load(bundle_folder, threads=1).predict(texts)]
    server = Running(bare, min(os.sched_getaffinity(0)))
    try:
        assert [server.ask(text) for text in texts] == expected
        client = http.client.HTTPConnection("127.0.0.1", bare.port, timeout=20)
        for text, label in zip(texts, expected, strict=True):
            body = bare.body(text).encode()
            client.putrequest("POST", bare.path)
            client.putheader("Content-Length", str(len(body)))
            client.endheaders()
            client.send(body[:5])
            client.send(body[5:])
            assert bare.label(json.load(client.getresponse())) == label
        client.putrequest("POST", bare.path)
        client.close()
        assert server.ask(texts[0]) == expected[0]
    finally:
        server.stop()


def test_the_table_has_a_cell_for_each_heading_and_none_for_loads_that_were_not_asked() -> None:
    load = {"per_second": 400.0, "p50_ms": 2.5, "p95_ms": 3.0, "p99_ms": 5.0, "refused": 1, "broken": 2}
    found = {"servers": {"ours": {"1": load, "32": load}, "bare": {"1": load}}, "direct": {}, "memory": None}
    head, _, ours, bare = table(found).splitlines()
    assert {line.count("|") for line in (head, ours, bare)} == {6}
    assert ours == "| ours | 2.50 / 5.00 | 400 | 2.5 / 5.0 | 6 |"
    assert bare == "| bare | 2.50 / 5.00 | | | 3 |"
