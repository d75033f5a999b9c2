"""A running `compress serve` behind the verb that everything which answers has.

    Endpoint("http://127.0.0.1:8080").predict(["a fine film"])

Redirects are not followed and proxies are not asked: what is reached is the address that was given.
"""

import http.client
import json
import threading
from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit

from pydantic import ValidationError

from serve.errors import UserError
from serve.info import Info
from serve.inputs import Input, parts
from serve.tasks import Answer

_LARGEST_REPLY = 20_000_000  # bytes; over it something else than our endpoint answers


class EndpointError(UserError):
    """An endpoint that does not answer, or not as `compress serve` does."""

    status: int | None = None  # of its answer, where it gave one


_TOO_LARGE = 413


class Endpoint:
    """A `serve.predictor.Predictor` over HTTP. One object may be used from several threads: they take turns."""

    def __init__(self, url: str, key: str | None = None, seconds: float = 10.0) -> None:
        """Ask who is there; raises `EndpointError` for what is no address, and where nothing of ours answers.

        `key` is shown as a bearer token; `seconds` is how long an answer may take.
        """
        self.url = url.rstrip("/")
        self._lock = threading.Lock()
        self._connection = _connection(url, seconds)
        self._path = urlsplit(self.url).path
        self._headers = {"Authorization": f"Bearer {key}"} if key else {}
        try:
            self.info = Info.model_validate_json(self._ask("GET", "/info")[0])
        except ValidationError:
            raise self._foreign("/info") from None
        self.labels = tuple(self.info.labels)

    def predict(self, inputs: Sequence[Input]) -> list[Answer]:
        """One answer per text or pair, in order; several share a request as far as the endpoint's limits allow.

        The endpoint tells the tokens of a request and not of each text, so `tokens` is 0 where several shared one.
        Raises `EndpointError`.
        """
        found: list[Answer] = []
        texts = self.info.answering.singly(inputs)
        for start in range(0, len(texts), self.info.limits.texts):
            found += self._together(texts[start : start + self.info.limits.texts])
        return self.info.answering.of_each(inputs, found)

    def metrics(self) -> str:
        """What it counts, in Prometheus' text format; raises `EndpointError`."""
        return self._ask("GET", "/metrics")[0].decode()

    def close(self) -> None:
        """End the connection."""
        self._connection.close()

    def _together(self, texts: Sequence[Input]) -> list[Answer]:
        """Answers to texts of one request, or of two halves where their bytes or tokens are too many for one."""
        try:
            answers, cut = self._answers(texts)
        except EndpointError as error:
            if error.status != _TOO_LARGE or len(texts) == 1:
                raise
            half = len(texts) // 2
            return self._together(texts[:half]) + self._together(texts[half:])
        if cut and len(texts) > 1:  # one of them: to know which, each is asked alone
            return [answer for text in texts for answer in self._answers([text])[0]]
        return answers

    def _answers(self, texts: Sequence[Input]) -> tuple[list[Answer], bool]:
        """The answers to one request, and whether the end of a text was not read."""
        reply, headers = self._ask("POST", *self._request(texts))
        cut = headers.get("x-truncated") == "true"
        tokens = int(headers.get("x-compute-tokens", 0)) if len(texts) == 1 else 0
        try:
            return [
                self.info.answering.answer_from(row, self.labels, tokens, truncated=cut)
                for row, _ in zip(json.loads(reply), texts, strict=True)
            ], cut
        except (KeyError, TypeError, ValueError):
            raise self._foreign(self._request(texts)[0]) from None

    def _request(self, texts: Sequence[Input]) -> tuple[str, bytes]:
        """The route of the model's task, and a body for it that is answered with a list."""
        answering = self.info.answering
        if answering.SCORES_LABELS:
            return "/predict", json.dumps({"inputs": [list(parts(asked)) for asked in texts]}).encode()
        asked = [
            one if isinstance(one, str) else dict(zip(answering.PAIR_FIELDS, one, strict=True))
            for one in texts
        ]
        return "/", json.dumps({"inputs": asked}).encode()

    def _ask(self, method: str, path: str, body: bytes | None = None) -> tuple[bytes, Mapping[str, str]]:
        headers = {**self._headers, **({"Content-Type": "application/json"} if body is not None else {})}
        with self._lock:
            try:
                response = self._send(method, path, body, headers)
                reply = response.read(_LARGEST_REPLY)
            except (OSError, http.client.HTTPException) as error:
                self._connection.close()
                raise EndpointError(
                    f"{self.url} does not answer ({error or type(error).__name__})",
                    "a running `compress serve`",
                    "start it, or mend --endpoint",
                ) from None
        if response.status != 200:
            refused = EndpointError(
                f"{self.url}{path} answers {response.status}: {_told(reply)}",
                "an answer",
                "show its key in COMPRESS_API_KEY" if response.status == 401 else "see the endpoint's log",
            )
            refused.status = response.status
            raise refused
        return reply, {name.lower(): value for name, value in response.getheaders()}

    def _send(
        self, method: str, path: str, body: bytes | None, headers: Mapping[str, str]
    ) -> http.client.HTTPResponse:
        """The response; a connection that the endpoint closed while nobody asked is opened anew."""
        was_open = self._connection.sock is not None
        try:
            self._connection.request(method, self._path + path, body, dict(headers))
            return self._connection.getresponse()
        except (http.client.RemoteDisconnected, ConnectionError):
            self._connection.close()
            if not was_open:
                raise
        self._connection.request(method, self._path + path, body, dict(headers))
        return self._connection.getresponse()

    def _foreign(self, path: str) -> EndpointError:
        return EndpointError(
            f"{self.url}{path} answers, but not as `compress serve` does",
            "the address of a running `compress serve`",
            "mend --endpoint",
        )


def _connection(url: str, seconds: float) -> http.client.HTTPConnection:
    try:
        parts = urlsplit(url)
        plain = not (parts.query or parts.fragment or parts.username)
        if parts.scheme in ("http", "https") and parts.hostname and plain:
            kind = http.client.HTTPSConnection if parts.scheme == "https" else http.client.HTTPConnection
            return kind(parts.hostname, parts.port, timeout=seconds)
    except ValueError:
        pass
    raise EndpointError(
        f"{url!r} is no address of an endpoint", "http://HOST:PORT or https://HOST", "mend --endpoint"
    )


def _told(reply: bytes) -> str:
    """The endpoint's own words, shortened."""
    try:
        document = json.loads(reply)
    except ValueError:
        return "no JSON"
    return str(document.get("error", ""))[:200] if isinstance(document, dict) else "no message"
