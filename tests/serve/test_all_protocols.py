"""All protocols at once over one model: every text gets the answer that it gets alone."""

import asyncio
import json
import socket
import struct
from collections.abc import Awaitable, Callable
from pathlib import Path

import httpx
import numpy as np
import pytest
from served import NAME, make_models, running
from tritonclient.grpc import InferInput, InferResult
from tritonclient.grpc.aio import InferenceServerClient

from serve.endpoint import Settings, create_app
from serve.metrics import Metrics
from serve.runtime import OnnxRuntime

WORDS = ["good", "bad", "film", "plot", "warm", "cold", "the", "no", "actor", "ending", "grim", "wise"]
TEXTS = [
    f"{WORDS[i % 12]} {WORDS[i * 7 % 11]} {WORDS[i // 12 % 12]} {WORDS[i // 144 % 12]}" for i in range(1008)
]
INFER = f"/v2/models/{NAME}/infer"
AT_ONCE = 48

Scores = dict[str, float]
Ask = Callable[[httpx.AsyncClient, str], Awaitable[Scores]]


async def tei(client: httpx.AsyncClient, text: str) -> Scores:
    return scored((await client.post("/predict", json={"inputs": text})).json())


async def hugging_face(client: httpx.AsyncClient, text: str) -> Scores:
    return scored((await client.post("/", json={"inputs": text})).json()[0])


async def sagemaker(client: httpx.AsyncClient, text: str) -> Scores:
    other, own = (await client.post("/invocations", json={"inputs": ["another", text]})).json()
    assert other != own or text == "another"
    return scored(own)


async def tensors(client: httpx.AsyncClient, text: str) -> Scores:
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "data": [text]}
    found = (await client.post(INFER, json={"id": text, "inputs": [tensor]})).json()
    assert found["id"] == text
    return by_label(found["outputs"][1]["data"])


async def binary_tensors(client: httpx.AsyncClient, text: str) -> Scores:
    raw = struct.pack("<I", len(text)) + text.encode()
    tensor = {"name": "text", "shape": [1], "datatype": "BYTES", "parameters": {"binary_data_size": len(raw)}}
    head = json.dumps({"inputs": [tensor], "parameters": {"binary_data_output": True}}).encode()
    found = await client.post(
        INFER, content=head + raw, headers={"inference-header-content-length": str(len(head))}
    )
    return by_label(np.frombuffer(found.content[-8:], "<f4").tolist())


def scored(listed: list[dict[str, float]]) -> Scores:
    return {str(one["label"]): one["score"] for one in listed}


def by_label(numbers: list[float]) -> Scores:
    return dict(zip(("negative", "positive"), numbers, strict=True))


async def over_grpc(client: InferenceServerClient, text: str) -> Scores:
    tensor = InferInput("text", [1], "BYTES")
    tensor.set_data_from_numpy(np.array([text.encode()], dtype=np.object_))
    found: InferResult = await client.infer(NAME, [tensor])
    return by_label(found.as_numpy("probabilities")[0].tolist())


def test_everybody_gets_the_answer_to_their_own_text(bundle_folder: Path, runtime: OnnxRuntime) -> None:
    assert runtime.labels == ("negative", "positive")
    alone = {text: runtime.predict([text])[0].probabilities for text in TEXTS}
    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    metrics = Metrics()
    app = create_app(make_models(bundle_folder, metrics), metrics, Settings(grpc=("127.0.0.1", port)))

    async def main(url: str) -> list[Scores]:
        kinds: list[Ask] = [tei, hugging_face, sagemaker, tensors, binary_tensors]
        room = asyncio.Semaphore(AT_ONCE)
        async with (
            httpx.AsyncClient(base_url=url, timeout=30) as http,
            InferenceServerClient(f"127.0.0.1:{port}") as grpc,
        ):

            async def one(number: int) -> Scores:
                text, kind = TEXTS[number], number % (len(kinds) + 1)
                async with room:
                    return await (over_grpc(grpc, text) if kind == len(kinds) else kinds[kind](http, text))

            return await asyncio.gather(*map(one, range(len(TEXTS))))

    with running(app) as url:
        found = asyncio.run(main(url))
    for text, scores in zip(TEXTS, found, strict=True):
        assert scores == pytest.approx(alone[text], abs=1e-6)
    together = metrics.registry.get_sample_value("compress_batch_texts_count", {"model": NAME})
    assert together is not None
    assert together < len(TEXTS)  # they were answered in company
