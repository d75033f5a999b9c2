"""The endpoint's answers, and what it says when it does not answer."""

import json
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from fastapi.testclient import TestClient
from served import make_app

from serve.bundle import sha256
from serve.endpoint import Settings
from serve.limits import Limits
from serve.runtime import OnnxRuntime
from serve.tasks import text_classification


@pytest.fixture(scope="module")
def client(bundle_folder: Path, runtime: OnnxRuntime) -> Iterator[TestClient]:
    app = make_app(bundle_folder, [runtime], Limits(characters=1000))
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


def problem(response, status: int, word: str) -> str:
    assert response.status_code == status, response.text
    assert set(response.json()) == {"error", "error_type"}
    assert response.json()["error_type"] == word
    for inside in ("Traceback", ".py", "/work", "/tmp", "serve.", "site-packages"):
        assert inside not in response.text
    return response.json()["error"]


def test_one_text_gives_a_flat_list_best_first(client: TestClient, runtime: OnnxRuntime) -> None:
    response = client.post("/predict", json={"inputs": "a great film"})
    (answer,) = runtime.predict(["a great film"])
    assert [entry["label"] for entry in response.json()] == ["positive", "negative"]
    assert response.json()[0]["score"] == pytest.approx(answer.score)
    assert response.headers["x-truncated"] == "false"
    assert response.headers["x-compute-tokens"] == "5"
    assert float(response.headers["x-inference-time"]) > 0


def test_where_the_time_went_stands_in_the_headers_that_teis_clients_read(client: TestClient) -> None:
    for path, inputs in (("/predict", [["a great film"], ["awful"]]), ("/", ["a great film", "awful"])):
        told = client.post(path, json={"inputs": inputs}).headers
        parts = [float(told[f"x-{part}-time"]) for part in ("tokenization", "queue", "inference")]
        assert all(part >= 0 for part in parts)
        assert float(told["x-total-time"]) == pytest.approx(sum(parts), abs=0.02)
        assert told["x-compute-time"] == told["x-total-time"]
        assert (told["x-compute-type"], told["x-compute-tokens"], told["x-batch-size"]) == ("cpu", "8", "2")
    alone = client.post("/predict", json={"inputs": [["a great film"], ["awful"]]}).headers
    assert alone["x-compute-characters"] == str(len("a great film") + len("awful"))


def test_a_batch_gives_a_list_each(client: TestClient) -> None:
    batch = client.post("/predict", json={"inputs": [["a great film"], ["awful"]]}).json()
    assert [entries[0]["label"] for entries in batch] == ["positive", "negative"]
    single = client.post("/predict", json={"inputs": ["awful"], "top_k": 1}).json()
    assert [entry["label"] for entry in single] == ["negative"]  # a list of one is that one, as TEI has it


def test_two_strings_are_a_pair_and_no_batch(client: TestClient) -> None:
    """In TEI they are one pair; answered as a batch, a client of TEI would get something else without a word."""
    for inputs in (["a great film", "awful"], [["a great film", "awful"]]):
        message = problem(client.post("/predict", json={"inputs": inputs}), 422, "validation")
        assert "a pair of texts" in message
        assert '[["first"], ["second"]]' in message


def test_raw_scores_are_logits(client: TestClient, runtime: OnnxRuntime) -> None:
    found = client.post("/predict", json={"inputs": "awful", "raw_scores": True}).json()
    logits = dict(zip(runtime.labels, runtime.logits(["awful"])[0].tolist(), strict=True))
    assert {entry["label"]: entry["score"] for entry in found} == pytest.approx(logits)


def test_truncation_can_be_refused(client: TestClient) -> None:
    body = {"inputs": "film " * 40, "truncate": False}
    assert "more than 16 tokens" in problem(client.post("/predict", json=body), 422, "validation")
    assert client.post("/predict", json=body | {"truncate": True}).status_code == 200


def test_truncation_is_told(client: TestClient) -> None:
    response = client.post("/predict", json={"inputs": [["short"], ["film " * 40]]})
    assert response.headers["x-truncated"] == "true"
    assert response.headers["x-compute-tokens"] == "19"


def test_json_without_content_type_and_other_media_types(client: TestClient) -> None:
    body = json.dumps({"inputs": "ünïcödé"}).encode()
    assert client.post("/predict", content=body).status_code == 200
    for accepted in ("application/json; charset=utf-8", "application/vnd.x+json"):
        assert client.post("/predict", content=body, headers={"content-type": accepted}).status_code == 200
    for refused in ("text/plain", "application/x-www-form-urlencoded", "multipart/form-data; boundary=x"):
        problem(
            client.post("/predict", content=body, headers={"content-type": refused}),
            415,
            "unsupported_media_type",
        )
    response = client.post("/predict", content=body, headers={"content-encoding": "gzip"})
    problem(response, 415, "unsupported_media_type")


@pytest.mark.parametrize(
    "body", [b"", b"{", b"\xff\xfe", b"[" * 100_000, b'{"inputs": ' + b"9" * 5000 + b"}", b"\x80\x04N."]
)
def test_what_is_no_json(client: TestClient, body: bytes) -> None:
    assert "not valid JSON" in problem(client.post("/predict", content=body), 400, "bad_json")


@pytest.mark.parametrize(
    "document",
    [
        [],
        "text",
        {},
        {"inputs": None},
        {"inputs": 3},
        {"inputs": []},
        {"inputs": [["a", "b"]]},
        {"inputs": [[]]},
        {"inputs": ["a", 1]},
        {"inputs": {"text": "a"}},
        {"inputs": "a", "top_k": 0},
        {"inputs": "a", "top_k": True},
        {"inputs": "a", "top_k": 1.5},
        {"inputs": "a", "other": 1},
        {"inputs": ["a", "b", "c"]},
        {"inputs": [["a"], "b"]},
        {"inputs": "a", "raw_scores": 1},
        {"inputs": "a", "truncate": "no"},
    ],
)
def test_json_of_another_shape(client: TestClient, document: object) -> None:
    problem(client.post("/predict", json=document), 422, "validation")


def test_half_a_surrogate_pair_is_no_crash(client: TestClient) -> None:
    response = client.post("/predict", content=b'{"inputs": "broken \\ud83c"}')
    assert "surrogate" in problem(response, 422, "validation")


def test_sizes(client: TestClient) -> None:
    assert "33 texts" in problem(client.post("/predict", json={"inputs": [["a"]] * 33}), 413, "too_large")
    assert "1001 characters" in problem(
        client.post("/predict", json={"inputs": "a" * 1001}), 413, "too_large"
    )
    assert client.post("/predict", json={"inputs": [["a" * 1000]] * 32}).status_code == 200


def test_info_and_health(client: TestClient, bundle_folder: Path) -> None:
    assert client.get("/health").json() == {"status": "ok"}
    info = client.get("/info").json()
    assert info["name"] == "tiny-sentiment"
    assert info["labels"] == ["negative", "positive"]
    assert info["verdict"] == "pass"
    assert info["bundle_sha256"] == sha256(bundle_folder / "bundle.json")
    assert info["limits"]["texts"] == 32


def test_openapi_describes_the_request(client: TestClient) -> None:
    operation = client.get("/openapi.json").json()["paths"]["/predict"]["post"]
    schema = operation["requestBody"]["content"]["application/json"]["schema"]
    assert set(schema["properties"]) == {"inputs", "top_k", "raw_scores", "truncate"}
    assert {"200", "400", "413", "415", "422", "429"} <= set(operation["responses"])
    assert client.get("/docs").status_code == 200


def test_unknown_routes_and_methods_answer_in_json(client: TestClient) -> None:
    problem(client.get("/nothing"), 404, "http")
    response = client.get("/predict")
    problem(response, 405, "http")
    assert response.headers["allow"] == "POST"


@pytest.mark.parametrize(
    "headers",
    [
        {"host": "evil.example"},
        {"host": "localhost.evil.example"},
        {"host": "127.0.0.1@evil.example"},
        {"host": "localhost:x"},
        {"host": ""},
        {"origin": "http://evil.example"},
        {"origin": "null"},
        {"origin": "http://localhost:3000"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ],
)
def test_other_sites_are_refused_on_every_route(client: TestClient, headers: dict[str, str]) -> None:
    for method, path in [("POST", "/predict"), ("GET", "/info"), ("GET", "/docs"), ("OPTIONS", "/predict")]:
        response = client.request(method, path, headers=headers)
        problem(response, 403, "forbidden")


@pytest.mark.parametrize("host", ["localhost", "LOCALHOST:8080", "127.0.0.1:9", "[::1]", "[::1]:80"])
def test_this_machine_by_all_its_names(client: TestClient, host: str) -> None:
    assert client.get("/health", headers={"host": host}).status_code == 200
    assert client.get("/health", headers={"host": host, "origin": f"http://{host}"}).status_code == 200


def test_a_public_server_takes_any_host_but_no_other_origin(
    bundle_folder: Path, runtime: OnnxRuntime
) -> None:
    app = make_app(bundle_folder, [runtime], settings=Settings(loopback=False))
    with TestClient(app, "http://models.example") as client:
        assert client.get("/health").status_code == 200
        assert client.get("/health", headers={"origin": "http://models.example"}).status_code == 200
        assert client.get("/health", headers={"origin": "http://evil.example"}).status_code == 403


def test_a_bug_is_told_without_its_inside(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    class Broken:
        tokens = runtime.tokens

        def answers_of(self, encodings: list) -> list:
            raise KeyError("/secret/path.py")

    app = make_app(bundle_folder, [Broken()])
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        assert "secret" not in problem(client.post("/predict", json={"inputs": "a"}), 500, "internal")


def test_a_number_that_is_none_is_no_answer(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    class Nan:
        tokens = runtime.tokens

        def answers_of(self, encodings: list) -> list:
            return text_classification.answers(
                np.full((1, 2), np.nan, np.float32), runtime.labels, [3], [False]
            )

    with TestClient(
        make_app(bundle_folder, [Nan()]), "http://localhost", raise_server_exceptions=False
    ) as client:
        problem(client.post("/predict", json={"inputs": "a"}), 500, "internal")


def test_not_ready_before_the_start_and_live_all_the_same(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    client = TestClient(make_app(bundle_folder, [runtime]), "http://localhost")  # not entered: not started
    assert client.get("/v2/health/live").status_code == 200
    for path in ("/health", "/ping", "/v2/health/ready"):
        problem(client.get(path), 503, "unavailable")
    assert [one["state"] for one in client.post("/v2/repository/index").json()] == ["UNAVAILABLE"]


def test_a_public_server_can_be_visited_and_framed_but_not_used_by_another_site(
    bundle_folder: Path, runtime: OnnxRuntime
) -> None:
    """A link to it, and the frame that a Hugging Face Space is shown in, are requests of another site as well."""
    app = make_app(bundle_folder, [runtime], settings=Settings(loopback=False))
    foreign = {"sec-fetch-site": "cross-site"}
    visit = foreign | {"sec-fetch-mode": "navigate"}
    with TestClient(app, "http://inner") as client:
        assert client.get("/docs", headers=visit).status_code == 200
        assert client.get("/info", headers=foreign | {"sec-fetch-mode": "cors"}).status_code == 403
        for headers in (foreign, visit):
            assert client.post("/predict", json={"inputs": "good"}, headers=headers).status_code == 403
        forwarded = {"x-forwarded-host": "space.example, inner", "origin": "https://space.example"}
        assert client.post("/predict", json={"inputs": "good"}, headers=forwarded).status_code == 200
        for origin in ("https://evil.example", "null"):
            reply = client.post("/predict", json={"inputs": "good"}, headers=forwarded | {"origin": origin})
            assert reply.status_code == 403


def test_this_machine_alone_is_not_visited_from_other_sites(client: TestClient) -> None:
    visit = {"sec-fetch-site": "cross-site", "sec-fetch-mode": "navigate"}
    problem(client.get("/docs", headers=visit), 403, "forbidden")
    forwarded = {"x-forwarded-host": "evil.example", "origin": "http://evil.example"}
    problem(client.get("/docs", headers=forwarded), 403, "forbidden")
