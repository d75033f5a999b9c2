"""Embeddings at every door, against the mean of words in numpy: OpenAI's wire format, TEI's, Hugging Face's client."""

import base64
import csv
import json
from collections.abc import Iterator
from pathlib import Path

import httpx
import numpy as np
import pytest
from embedding_bundle import WIDTH, words, write_embedding_bundle
from fastapi.testclient import TestClient
from huggingface_hub import InferenceClient
from huggingface_hub.errors import HfHubHTTPError
from numpy.typing import NDArray
from served import NAME, make_app, running
from tokenizers import Tokenizer

import serve
from serve.client import Endpoint
from serve.csv_file import predict_csv
from serve.errors import InputError
from serve.runtime import OnnxRuntime
from serve.tasks import Embedding

HOSTILE = ["", "   ", "\u202eabc", "e\u0301 \U0001f469\u200d\U0001f680", "שלום עולם", "good " * 20_000]
TEXTS = ["a good film", "the story was fine and the actor great", "music"]
LONG = "good film " * 40


@pytest.fixture(scope="module")
def bundle(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_embedding_bundle(bundle_folder, tmp_path_factory.mktemp("embedding") / "bundle")


@pytest.fixture(scope="module")
def runtime(bundle: Path) -> OnnxRuntime:
    return serve.load(bundle)


@pytest.fixture(scope="module")
def client(bundle: Path) -> Iterator[TestClient]:
    with TestClient(make_app(bundle), "http://localhost") as client:
        yield client


@pytest.fixture(scope="module")
def url(bundle: Path) -> Iterator[str]:
    with running(make_app(bundle)) as url:
        yield url


def by_hand(bundle: Path, text: str) -> NDArray[np.float32]:
    """The mean of the words' vectors."""
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    return np.asarray(words(tokenizer.get_vocab())[tokenizer.encode(text).ids].mean(axis=0))


def unit(vector: NDArray[np.float32]) -> NDArray[np.float32]:
    return np.asarray(vector / np.linalg.norm(vector))


def test_texts_and_pairs_of_them(bundle: Path, runtime: OnnxRuntime) -> None:
    answers = runtime.predict(TEXTS)
    for text, answer in zip(TEXTS, answers, strict=True):
        assert isinstance(answer, Embedding)
        assert answer.vector == pytest.approx(by_hand(bundle, text), abs=1e-5)
        assert answer.similarity is None
    mixed = runtime.predict([TEXTS[0], (TEXTS[1], TEXTS[2]), TEXTS[0]])
    assert mixed[2].told() == pytest.approx(by_hand(bundle, TEXTS[0]).tolist(), abs=1e-5)
    assert [len(answer.vectors) for answer in mixed if isinstance(answer, Embedding)] == [1, 2, 1]
    assert mixed[1].score == pytest.approx(
        float(unit(by_hand(bundle, TEXTS[1])) @ unit(by_hand(bundle, TEXTS[2]))), abs=1e-5
    )
    assert mixed[1].tokens == answers[1].tokens + answers[2].tokens
    assert runtime.predict([(LONG, "music")])[0].truncated


def test_any_text_gets_an_answer(runtime: OnnxRuntime) -> None:
    answers = runtime.predict(HOSTILE)
    assert all(np.isfinite(answer.told()).all() and len(answer.told()) == WIDTH for answer in answers)
    assert [answer.truncated for answer in answers] == [False] * 5 + [True]
    with pytest.raises(InputError, match="at most 100,000"):
        runtime.predict(["a" * 100_001])


# As openai 2.x sends it: model, input and, unless told otherwise, encoding_format base64.
@pytest.mark.parametrize("given", [TEXTS, TEXTS[0]])
def test_openai_with_base64_as_its_client_asks(
    given: list[str] | str, client: TestClient, bundle: Path
) -> None:
    body = {"input": given, "model": NAME, "encoding_format": "base64"}
    reply = client.post("/v1/embeddings", json=body, headers={"Authorization": "Bearer none"}).json()
    assert set(reply) == {"object", "data", "model", "usage"}
    assert (reply["object"], reply["model"]) == ("list", NAME)
    texts = [given] if isinstance(given, str) else given
    tokenizer = Tokenizer.from_file(str(bundle / "tokenizer.json"))
    tokens = sum(len(tokenizer.encode(text).ids) for text in texts)
    assert reply["usage"] == {"prompt_tokens": tokens, "total_tokens": tokens}
    for place, (text, one) in enumerate(zip(texts, reply["data"], strict=True)):
        assert (one["object"], one["index"]) == ("embedding", place)
        vector = np.frombuffer(base64.b64decode(one["embedding"]), dtype="<f4")
        assert vector == pytest.approx(by_hand(bundle, text), abs=1e-5)


def test_openai_with_floats_and_what_it_refuses(client: TestClient, bundle: Path) -> None:
    body = {"input": TEXTS, "encoding_format": "float", "dimensions": WIDTH, "user": "somebody"}
    reply = client.post("/v1/embeddings", json=body).json()
    assert reply["data"][1]["embedding"] == pytest.approx(by_hand(bundle, TEXTS[1]).tolist(), abs=1e-5)
    assert client.get("/v1/models").json()["data"][0]["id"] == NAME
    for wrong, status, words_ in (
        ({"input": [1, 2, 3]}, 422, "token numbers"),
        ({"input": [[1, 2]]}, 422, "token numbers"),
        ({"input": []}, 422, "must not be empty"),
        ({"input": TEXTS, "dimensions": 3}, 422, f"dimensions must be {WIDTH}"),
        ({"input": TEXTS, "encoding_format": "int8"}, 422, "float or base64"),
        ({"input": TEXTS, "model": "text-embedding-3-small"}, 404, "No such model"),
        ({"input": ["music", LONG]}, 400, r"input[1] has more than 16 tokens"),
        ({"input": ["a"] * 33}, 413, "at most 32"),
        ({"inputs": TEXTS}, 422, '{"input"'),
        ({"input": TEXTS, "x": 1}, 422, "Unknown field"),
    ):
        found = client.post("/v1/embeddings", json=wrong)
        assert found.status_code == status, (wrong, found.text)
        assert words_ in found.json()["error"]["message"]


def test_text_embeddings_inference(client: TestClient, bundle: Path) -> None:
    found = client.post("/embed", json={"inputs": TEXTS})
    assert found.json()[0] == pytest.approx(unit(by_hand(bundle, TEXTS[0])).tolist(), abs=1e-5)
    assert found.headers["x-compute-tokens"] == str(5 + 10 + 3)
    single = client.post("/embed", json={"inputs": TEXTS[0], "normalize": False}).json()
    assert single == [pytest.approx(by_hand(bundle, TEXTS[0]).tolist(), abs=1e-5)]
    assert client.post("/embed", json={"inputs": LONG}).headers["x-truncated"] == "true"
    for wrong, words_ in (
        ({"inputs": LONG, "truncate": False}, "more than 16 tokens"),
        ({"inputs": "a", "truncation_direction": "Left"}, "must be right"),
        ({"inputs": "a", "prompt_name": "query"}, "no prompts"),
        ({"inputs": [["a", "b"]]}, "must be a text"),
    ):
        found = client.post("/embed", json=wrong)
        assert found.status_code == 422
        assert words_ in found.json()["error"]
    assert client.post("/predict", json={"inputs": "a"}).status_code == 404  # scores of labels


def test_the_hubs_client(url: str, bundle: Path) -> None:
    hub = InferenceClient(model=f"{url}/", provider="hf-inference")
    found = hub.feature_extraction(TEXTS[0])
    assert found.shape == (1, WIDTH)
    assert found[0] == pytest.approx(by_hand(bundle, TEXTS[0]), abs=1e-5)
    normal = hub.feature_extraction(TEXTS[0], normalize=True, truncate=True, truncation_direction="right")
    assert np.linalg.norm(normal) == pytest.approx(1, abs=1e-5)
    with pytest.raises(HfHubHTTPError, match="truncate is false"):
        hub.feature_extraction(LONG, truncate=False)
    with pytest.raises(HfHubHTTPError, match="no prompts"):
        hub.feature_extraction("a", prompt_name="query")


def test_the_protocol_of_tensors_and_our_own_client(url: str, bundle: Path, runtime: OnnxRuntime) -> None:
    given = [{"name": "text", "shape": [2], "datatype": "BYTES", "data": TEXTS[:2]}]
    (output,) = httpx.post(f"{url}/v2/models/{NAME}/infer", json={"inputs": given}).json()["outputs"]
    assert (output["name"], output["datatype"], output["shape"]) == ("embedding", "FP32", [2, WIDTH])
    assert output["data"][WIDTH:] == pytest.approx(by_hand(bundle, TEXTS[1]).tolist(), abs=1e-5)
    endpoint = Endpoint(url)
    found = endpoint.predict(TEXTS)
    endpoint.close()
    assert [one.told() for one in found] == [
        pytest.approx(one.told(), abs=1e-5) for one in runtime.predict(TEXTS)
    ]


def test_a_csv_file_gets_lists(tmp_path: Path, bundle: Path, runtime: OnnxRuntime) -> None:
    (tmp_path / "in.csv").write_text("text\n" + "\n".join(TEXTS) + "\n", encoding="utf-8")
    predict_csv(runtime, tmp_path / "in.csv", tmp_path / "out.csv", answering=runtime.answering)
    with (tmp_path / "out.csv").open() as stream:
        rows = list(csv.DictReader(stream))
    vectors = [json.loads(row["embedding"]) for row in rows]
    assert vectors[2] == pytest.approx(by_hand(bundle, TEXTS[2]).tolist(), abs=1e-5)
    assert {row["truncated"] for row in rows} == {"false"}


def test_the_openai_client(url: str, bundle: Path) -> None:
    openai = pytest.importorskip("openai", reason="the client of OpenAI's protocol is not installed")
    client = openai.OpenAI(base_url=f"{url}/v1", api_key="none", max_retries=0)
    for format_ in ({}, {"encoding_format": "float"}, {"encoding_format": "base64"}):
        found = client.embeddings.create(input=TEXTS, model=NAME, **format_)
        assert [one.index for one in found.data] == [0, 1, 2]
        given = found.data[1].embedding
        vector = np.frombuffer(base64.b64decode(given), "<f4") if isinstance(given, str) else given
        assert list(vector) == pytest.approx(by_hand(bundle, TEXTS[1]).tolist(), abs=1e-5)
    assert found.usage.prompt_tokens == found.usage.total_tokens == 5 + 10 + 3
    with pytest.raises(openai.NotFoundError, match="No such model"):
        client.embeddings.create(input="a", model="text-embedding-3-small")
    with pytest.raises(openai.BadRequestError, match="more than 16 tokens"):
        client.embeddings.create(input=LONG, model=NAME)
    assert [one.id for one in client.models.list()] == [NAME]
    client.close()
