"""The endpoint behind the verb: the same answers as in this process, and refusals in our words."""

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import ClassVar

import pytest
from served import make_app, running

from serve.client import Endpoint, EndpointError
from serve.endpoint import Settings
from serve.key import Key
from serve.limits import Limits
from serve.runtime import OnnxRuntime

KEY = "0123456789abcdef-key"


@pytest.fixture(scope="module")
def url(bundle_folder: Path) -> Iterator[str]:
    with running(make_app(bundle_folder, settings=Settings(key=Key(KEY)))) as address:
        yield address


def test_the_answers_are_those_of_this_process(url: str, runtime: OnnxRuntime) -> None:
    endpoint = Endpoint(url, KEY)
    texts = [f"a {'good' if number % 3 else 'dull'} film {number}" for number in range(70)]
    found, expected = endpoint.predict(texts), runtime.predict(texts)
    assert [answer.label for answer in found] == [answer.label for answer in expected]
    for one, other in zip(found, expected, strict=True):
        assert one.probabilities == pytest.approx(other.probabilities, abs=1e-6)
        assert list(one.probabilities) == list(other.probabilities)
    assert endpoint.predict([]) == []
    assert "compress_texts_total" in endpoint.metrics()


def test_tokens_and_cuts_are_told_of_each_text(url: str, runtime: OnnxRuntime) -> None:
    endpoint = Endpoint(url, KEY)
    texts = ["a good film", "film " * 40]
    assert [answer.truncated for answer in endpoint.predict(texts)] == [False, True]
    (alone,) = endpoint.predict(texts[:1])
    assert alone.tokens == runtime.predict(texts[:1])[0].tokens


def test_texts_whose_tokens_are_too_many_for_one_request_share_several(
    bundle_folder: Path, runtime: OnnxRuntime
) -> None:
    """The limit is told by tokens, which the client does not know before it asks."""
    texts = [f"a {'good' if number % 3 else 'dull'} film" for number in range(20)]
    each = len(runtime.tokens(texts[:1])[0])
    with running(make_app(bundle_folder, limits=Limits(tokens=6 * each))) as address:
        endpoint = Endpoint(address)
        found = endpoint.predict(texts)
        assert [answer.label for answer in found] == [answer.label for answer in runtime.predict(texts)]
        with pytest.raises(EndpointError, match="413"):
            endpoint.predict(["good " * 2_000_001])


def test_a_connection_that_was_closed_meanwhile_is_opened_anew(url: str) -> None:
    endpoint = Endpoint(url, KEY)
    endpoint.predict(["good"])
    connection = endpoint._connection
    assert connection.sock is not None
    connection.sock.shutdown(2)
    assert endpoint.predict(["good"])[0].label == "positive"
    endpoint.close()


@pytest.mark.parametrize("key", [None, "another-key-0123456789"])
def test_without_the_key_it_says_what_to_show(url: str, key: str | None) -> None:
    with pytest.raises(EndpointError, match="COMPRESS_API_KEY") as caught:
        Endpoint(url, key)
    assert "401" in str(caught.value)


@pytest.mark.parametrize(
    "address",
    ["", "localhost", "ftp://localhost", "http://", "http://x:99999", "file:///etc/passwd", "http://a@b"],
)
def test_what_is_no_address_is_refused(address: str) -> None:
    with pytest.raises(EndpointError, match="no address of an endpoint"):
        Endpoint(address)


def test_where_nothing_listens_it_says_so() -> None:
    with pytest.raises(EndpointError, match="does not answer"):
        Endpoint("http://127.0.0.1:9")


class Other(BaseHTTPRequestHandler):
    """Something else: it redirects, and it answers JSON of its own."""

    visited: ClassVar[list[str]] = []

    def do_GET(self) -> None:
        self.visited.append(self.path)
        self.send_response(302 if self.path == "/away/info" else 200)
        self.send_header("Location", "http://127.0.0.1:9/elsewhere")
        self.send_header("Content-Length", "2")
        self.end_headers()
        self.wfile.write(b"{}")

    def log_message(self, *_: object) -> None:
        pass


def test_something_else_is_no_endpoint_and_leads_nowhere() -> None:
    with HTTPServer(("127.0.0.1", 0), Other) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        address = f"http://127.0.0.1:{server.server_port}"
        try:
            with pytest.raises(EndpointError, match="not as `compress serve` does"):
                Endpoint(address)
            with pytest.raises(EndpointError, match="answers 302"):
                Endpoint(f"{address}/away")
        finally:
            server.shutdown()
            thread.join()
    assert Other.visited == ["/info", "/away/info"]
