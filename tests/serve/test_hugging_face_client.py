"""`POST /`, asked by huggingface_hub's own clients; and the routes of managed services."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from fastapi.testclient import TestClient
from huggingface_hub import AsyncInferenceClient, InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from served import make_app, running

from serve.endpoint import Settings
from serve.errors import UserError
from serve.protocols.clouds import Vertex
from serve.runtime import OnnxRuntime


@pytest.fixture(scope="module")
def url(bundle_folder: Path) -> Iterator[str]:
    vertex = Vertex.from_environment(
        {
            "AIP_HEALTH_ROUTE": "/v1/health",
            "AIP_PREDICT_ROUTE": "/v1/models/x:predict",
            "AIP_HTTP_PORT": "8080",
        }
    )
    with running(make_app(bundle_folder, settings=Settings(vertex=vertex))) as url:
        yield url


def test_every_label_comes_back_best_first(url: str, runtime: OnnxRuntime) -> None:
    found = InferenceClient(model=f"{url}/").text_classification("a great film")
    (answer,) = runtime.predict(["a great film"])
    assert [one.label for one in found] == ["positive", "negative"]
    assert found[0].score == pytest.approx(answer.score)


def test_top_k_and_function(url: str, runtime: OnnxRuntime) -> None:
    client = InferenceClient(model=f"{url}/", provider="hf-inference")
    assert len(client.text_classification("awful", top_k=1, function_to_apply="softmax")) == 1
    raw = client.text_classification("awful", function_to_apply="none")
    assert max(one.score for one in raw) == pytest.approx(float(runtime.logits(["awful"]).max()))
    with pytest.raises(HfHubHTTPError, match="softmax or none"):
        client.text_classification("awful", function_to_apply="sigmoid")


def test_the_asynchronous_client(url: str) -> None:
    async def main() -> list[str]:
        client = AsyncInferenceClient(model=f"{url}/")
        found = await asyncio.gather(
            *(client.text_classification(text) for text in ("a great film", "awful") * 10)
        )
        return [one[0].label for one in found]

    assert asyncio.run(main()) == ["positive", "negative"] * 10


def test_the_clients_own_questions(url: str) -> None:
    client = InferenceClient(model=url, provider="hf-inference")
    assert client.health_check()
    assert client.get_endpoint_info()["labels"] == ["negative", "positive"]


def test_a_list_is_a_batch(url: str) -> None:
    found = httpx.post(f"{url}/", json={"inputs": ["a great film", "awful"]}).json()
    assert [one[0]["label"] for one in found] == ["positive", "negative"]
    assert httpx.post(f"{url}/invocations", json={"inputs": ["a great film", "awful"]}).json() == found


def test_managed_services(url: str) -> None:
    assert httpx.get(f"{url}/ping").status_code == 200
    assert httpx.get(f"{url}/v1/health").status_code == 200
    body = {"instances": ["a great film", {"text": "awful"}], "parameters": {"top_k": 1}}
    found = httpx.post(f"{url}/v1/models/x:predict", json=body).json()
    assert [[label["label"] for label in one] for one in found["predictions"]] == [["positive"], ["negative"]]
    for wrong in (
        {},
        {"instances": "a"},
        {"instances": []},
        {"instances": [1]},
        {"instances": ["a"], "x": 1},
    ):
        assert httpx.post(f"{url}/v1/models/x:predict", json=wrong).status_code == 422


def test_vertex_may_take_a_route_that_others_have(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    vertex = Vertex.from_environment({"AIP_PREDICT_ROUTE": "/predict"})
    with TestClient(
        make_app(bundle_folder, [runtime], settings=Settings(vertex=vertex)), "http://localhost"
    ) as client:
        assert len(client.post("/predict", json={"instances": ["good", "bad"]}).json()["predictions"]) == 2


@pytest.mark.parametrize(
    "variables", [{"AIP_PREDICT_ROUTE": "predict"}, {"AIP_HEALTH_ROUTE": "/{x}"}, {"AIP_HTTP_PORT": "x"}]
)
def test_variables_that_are_no_paths(variables: dict[str, str]) -> None:
    with pytest.raises(UserError, match=next(iter(variables))):
        Vertex.from_environment(variables)


@pytest.mark.parametrize(
    "document",
    [
        {},
        {"inputs": []},
        {"inputs": [1]},
        {"inputs": "a", "parameters": 1},
        {"inputs": "a", "parameters": {"top_k": 0}},
        {"inputs": "a", "parameters": {"x": 0}},
        {"inputs": "a", "x": 0},
    ],
)
def test_json_of_another_shape(url: str, document: object) -> None:
    reply = httpx.post(f"{url}/", json=document)
    assert reply.status_code == 422
    assert reply.json()["error_type"] == "validation"
