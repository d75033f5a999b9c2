"""Every task by every protocol and client, asked for what people and programs send."""

from collections.abc import Iterator
from typing import Any

import numpy as np
import odd
import pytest
import tritonclient.http as http_client
from done import Done, near
from fastapi.testclient import TestClient
from huggingface_hub import InferenceClient
from served import NAME, make_app, running

import serve
from serve.client import Endpoint
from serve.endpoint import Settings
from serve.protocols.clouds import Vertex


@pytest.fixture
def client(done: Done) -> Iterator[TestClient]:
    settings = Settings(vertex=Vertex(None, "/vertex", None))
    with TestClient(make_app(done.run.bundle, settings=settings), "http://localhost") as client:
        yield client


def test_every_protocol_gives_the_runtimes_answers(done: Done, client: TestClient) -> None:
    some = done.served[:3]
    expected = [answer.told() for answer in serve.load(done.run.bundle).predict(some)]
    body = done.body(some)
    for path in ("/", "/invocations"):
        assert client.post(path, json={"inputs": body}).json() == near(expected)
        bare = serve.load(done.run.bundle).answering.BARE_SINGLE
        alone = expected[0] if bare else expected[:1]  # nested, a list for each
        assert client.post(path, json={"inputs": body[0]}).json() == near(alone)
    assert client.post("/vertex", json={"instances": body}).json()["predictions"] == near(expected)
    described = client.get(f"/v2/models/{NAME}").json()["outputs"]
    assert tuple(one["name"] for one in described) == done.case.tensors
    if done.embeds:  # tests/serve/test_embeddings.py has its own protocols
        assert client.post("/embed", json={"inputs": body, "normalize": False}).json() == near(expected)
        found = client.post("/v1/embeddings", json={"input": body}).json()["data"]
        assert [one["embedding"] for one in found] == near(expected)
        return
    if not done.case.scores_labels:
        assert client.post("/predict", json={"inputs": "a"}).status_code == 404
        return
    listed = [list(one) if isinstance(one, tuple) else [one] for one in some]
    assert client.post("/predict", json={"inputs": listed}).json() == near(expected)
    shortened = client.post("/", json={"inputs": body, "parameters": {"top_k": 1}}).json()
    assert shortened == near([one[:1] for one in expected])
    raw = client.post("/", json={"inputs": body[:1], "parameters": {"function_to_apply": "none"}})
    assert raw.status_code == 200
    wrong = client.post("/", json={"inputs": body, "parameters": {"function_to_apply": "tanh"}})
    assert wrong.status_code == 422
    assert "function_to_apply must be" in wrong.json()["error"]


def test_clients_over_a_socket_get_the_same(done: Done) -> None:
    some = done.served[:4]
    expected = serve.load(done.run.bundle).predict(some)
    with running(make_app(done.run.bundle)) as url:
        endpoint = Endpoint(url)
        found = endpoint.predict(some)
        endpoint.close()
        triton = http_client.InferenceServerClient(url.removeprefix("http://"))
        columns = zip(*some, strict=True) if isinstance(some[0], tuple) else [some]
        tensors = []
        for name, column in zip(("text", "text_pair"), columns, strict=False):
            tensors.append(http_client.InferInput(name, [len(some)], "BYTES"))
            tensors[-1].set_data_from_numpy(np.array(column, dtype=object))
        reply = triton.infer(NAME, tensors)
        shapes = {name: reply.as_numpy(name).shape for name in done.case.tensors}
        triton.close()
        if done.embeds:
            hub = InferenceClient(model=f"{url}/")
            assert hub.feature_extraction(str(some[0]))[0].tolist() == near(expected[0].told())
        elif done.case.name == "question-answering":
            hub = InferenceClient(model=f"{url}/")
            given = hub.question_answering(question=some[0][0], context=some[0][1])
            assert not isinstance(given, list)
            assert {name: given[name] for name in ("score", "start", "end", "answer")} == near(
                expected[0].told()
            )
        elif not done.case.pairs and done.case.scores_labels:
            hub = InferenceClient(model=f"{url}/")
            (first,) = [hub.text_classification(text, top_k=2) for text in some[:1] if isinstance(text, str)]
            theirs = [{"label": one.label, "score": one.score} for one in first]
            assert theirs == near(expected[0].told(top_k=2))
    assert [one.told() for one in found] == near([one.told() for one in expected])
    assert all(shape[0] == len(some) for shape in shapes.values())
    assert [one.label for one in found] == [one.label for one in expected]


def every_request(done: Done, texts: list[str]) -> list[tuple[str, Any]]:
    """Each text by every protocol that answers the task, alone and in one request with the others."""
    asked = done.case.asked(texts) if not done.embeds else list(texts)
    found: list[tuple[str, Any]] = []
    for some in (*([one] for one in asked), asked):
        body = done.body(some)
        found += [(path, {"inputs": body[0] if len(body) == 1 else body}) for path in ("/", "/invocations")]
        found.append(("/vertex", {"instances": body}))
        if done.embeds:
            found += [("/embed", {"inputs": body}), ("/v1/embeddings", {"input": body, "model": NAME})]
        elif done.case.scores_labels:
            found.append(
                ("/predict", {"inputs": [list(one) if isinstance(one, tuple) else [one] for one in some]})
            )
        pair = isinstance(some[0], tuple)
        columns = list(zip(*some, strict=True)) if pair else [some]
        found += odd.tensors(NAME, dict(zip(("text", "text_pair"), columns, strict=False)))
    return found


def test_odd_texts_by_every_protocol(done: Done) -> None:
    """An answer of finite numbers, or a refusal in words: never a failure of the server."""
    settings = Settings(vertex=Vertex(None, "/vertex", None))
    app = make_app(done.run.bundle, settings=settings)
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        assert odd.failures(client, every_request(done, odd.SHORT)) == []
        longest = every_request(done, [odd.ODD["longest"]])[
            :1
        ]  # one protocol: it costs seconds of an entity model
        assert odd.failures(client, longest) == []
        assert odd.failures(client, every_request(done, list(odd.HALVES)), refused=True) == []
        assert odd.failures(client, every_request(done, ["a" * 100_001])[:4], refused=True) == []
        assert (
            client.post("/", json={"inputs": done.body(done.served[:1])}).status_code == 200
        )  # it still stands
