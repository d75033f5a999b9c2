"""The Open Inference Protocol, asked by Triton's own clients: http, aio and gRPC."""

import asyncio
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import odd
import pytest
import tritonclient.grpc as grpc_client
import tritonclient.grpc.aio as grpc_aio_client
import tritonclient.http as http_client
import tritonclient.http.aio as aio_client
from served import NAME, Slow, make_models, running
from tritonclient.utils import InferenceServerException

from serve.batcher import Answered
from serve.endpoint import Settings, create_app
from serve.grpc_server import start
from serve.inputs import Input
from serve.limits import Limits
from serve.metrics import Metrics
from serve.model import Model
from serve.runtime import OnnxRuntime

ASKED = ["a great film", "awful ünïcödé 🎬"]


@pytest.fixture(scope="module")
def address(bundle_folder: Path) -> Iterator[str]:
    metrics = Metrics()
    models = make_models(bundle_folder, metrics, names=(NAME, "other"))
    with running(create_app(models, metrics)) as url:
        yield url.removeprefix("http://")


@pytest.fixture(scope="module")
def client(address: str) -> http_client.InferenceServerClient:
    return http_client.InferenceServerClient(address)


def texts(module: object, *, binary: bool = True) -> object:
    tensor = module.InferInput("text", [2], "BYTES")  # type: ignore[attr-defined]  # both clients have it
    values = np.array(ASKED, dtype=object)
    if module is grpc_client:
        tensor.set_data_from_numpy(values)
    else:
        tensor.set_data_from_numpy(values, binary_data=binary)
    return tensor


def check(found: object, runtime: OnnxRuntime) -> None:
    expected = runtime.predict(ASKED)
    assert [one.decode() for one in found.as_numpy("label")] == [one.label for one in expected]  # type: ignore[attr-defined]
    probabilities = found.as_numpy("probabilities")  # type: ignore[attr-defined]
    assert probabilities.dtype == np.float32
    assert np.allclose(probabilities, [list(one.probabilities.values()) for one in expected], atol=1e-6)


def test_life_and_metadata(client: http_client.InferenceServerClient) -> None:
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.is_model_ready(NAME, "1")
    assert not client.is_model_ready("nobody")
    assert client.get_server_metadata()["name"] == "compress-toolchain"
    found = client.get_model_metadata(NAME)
    assert [one["name"] for one in found["outputs"]] == ["label", "probabilities"]
    assert client.get_model_config(NAME)["input"][0]["data_type"] == "TYPE_STRING"
    assert {one["name"] for one in client.get_model_repository_index()} == {NAME, "other"}


def test_the_default_call_is_binary_both_ways(
    client: http_client.InferenceServerClient, runtime: OnnxRuntime
) -> None:
    found = client.infer(NAME, [texts(http_client)], request_id="abc-1")
    check(found, runtime)
    assert found.get_response()["id"] == "abc-1"


def test_json_in_and_json_out(client: http_client.InferenceServerClient, runtime: OnnxRuntime) -> None:
    outputs = [
        http_client.InferRequestedOutput(name, binary_data=False) for name in ("probabilities", "label")
    ]
    found = client.infer(NAME, [texts(http_client, binary=False)], outputs=outputs)
    check_json = found.get_response()["outputs"]
    assert [one["name"] for one in check_json] == ["probabilities", "label"]
    assert check_json[1]["data"] == [one.label for one in runtime.predict(ASKED)]


def test_json_in_and_binary_out(client: http_client.InferenceServerClient, runtime: OnnxRuntime) -> None:
    check(client.infer(NAME, [texts(http_client, binary=False)]), runtime)


def test_classification(client: http_client.InferenceServerClient, runtime: OnnxRuntime) -> None:
    output = http_client.InferRequestedOutput("probabilities", class_count=2)
    found = client.infer(NAME, [texts(http_client)], outputs=[output]).as_numpy("probabilities")
    for row, expected in zip(found, runtime.predict(ASKED), strict=True):
        score, index, label = row[0].decode().split(":")
        assert label == expected.label
        assert float(score) == pytest.approx(expected.score, abs=1e-5)
        assert runtime.labels[int(index)] == label


def test_versions_and_unknown_models(client: http_client.InferenceServerClient) -> None:
    client.infer(NAME, [texts(http_client)], model_version="1")
    for name, version in ((NAME, "2"), ("nobody", ""), ("..%2f..%2fetc", ""), ("a" * 300, "")):
        with pytest.raises(InferenceServerException, match=r"No such model|Not Found"):
            client.infer(name, [texts(http_client)], model_version=version)


def test_statistics_count(client: http_client.InferenceServerClient) -> None:
    def counted() -> int:
        (stats,) = client.get_inference_statistics("other")["model_stats"]
        assert stats["inference_stats"]["success"]["count"] == stats["execution_count"]
        return int(stats["inference_count"])

    before = counted()
    client.infer("other", [texts(http_client)])
    assert counted() == before + 2


def test_loading_is_off(client: http_client.InferenceServerClient) -> None:
    for act in (client.load_model, client.unload_model):
        with pytest.raises(InferenceServerException, match="not loaded or unloaded over the network"):
            act(NAME)


def test_a_mistake_is_told_in_words(client: http_client.InferenceServerClient) -> None:
    wrong = http_client.InferInput("input_ids", [1, 2], "INT64")
    wrong.set_data_from_numpy(np.array([[1, 2]]))
    with pytest.raises(InferenceServerException, match="one tensor, 'text', of datatype BYTES"):
        client.infer(NAME, [wrong])


def test_compressed_bodies_are_refused_in_words(client: http_client.InferenceServerClient) -> None:
    with pytest.raises(InferenceServerException, match="uncompressed"):
        client.infer(NAME, [texts(http_client)], request_compression_algorithm="gzip")


def test_the_asynchronous_client(address: str, runtime: OnnxRuntime) -> None:
    async def main() -> None:
        async with aio_client.InferenceServerClient(address) as client:
            assert await client.is_server_ready()
            found = await asyncio.gather(*(client.infer(NAME, [texts(aio_client)]) for _ in range(20)))
            for one in found:
                check(one, runtime)

    asyncio.run(main())


@pytest.fixture(scope="module")
def grpc_address(bundle_folder: Path) -> Iterator[str]:
    """The server on an event loop in a thread of its own."""
    import threading

    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True).start()
    metrics = Metrics()
    models = make_models(bundle_folder, metrics, names=(NAME, "other"))
    models.is_ready = True
    started = start(models, metrics, "127.0.0.1", 0)
    server, port = asyncio.run_coroutine_threadsafe(started, loop).result(10)
    yield f"127.0.0.1:{port}"
    asyncio.run_coroutine_threadsafe(server.stop(0), loop).result(10)
    models.close()
    loop.call_soon_threadsafe(loop.stop)


def test_grpc(grpc_address: str, runtime: OnnxRuntime) -> None:
    client = grpc_client.InferenceServerClient(grpc_address)
    assert client.is_server_live()
    assert client.is_server_ready()
    assert client.is_model_ready(NAME)
    assert client.get_server_metadata().name == "compress-toolchain"
    assert [one.name for one in client.get_model_metadata(NAME).outputs] == ["label", "probabilities"]
    assert client.get_model_config(NAME).config.max_batch_size == 32
    assert {one.name for one in client.get_model_repository_index().models} == {NAME, "other"}
    found = client.infer(NAME, [texts(grpc_client)], request_id="abc-2")
    check(found, runtime)
    assert found.get_response().id == "abc-2"
    assert client.get_inference_statistics(NAME).model_stats[0].inference_count >= 2
    output = grpc_client.InferRequestedOutput("probabilities", class_count=1)
    labels = client.infer(NAME, [texts(grpc_client)], outputs=[output]).as_numpy("probabilities")
    assert labels[0][0].decode().endswith(runtime.predict(ASKED)[0].label)


def test_grpc_says_what_is_wrong(grpc_address: str) -> None:
    client = grpc_client.InferenceServerClient(grpc_address)
    with pytest.raises(InferenceServerException, match="No such model") as missing:
        client.infer("nobody", [texts(grpc_client)])
    assert missing.value.status() == "StatusCode.NOT_FOUND"
    wrong = grpc_client.InferInput("text", [2], "INT64")
    wrong.set_data_from_numpy(np.array([1, 2]))
    with pytest.raises(InferenceServerException, match="of datatype BYTES"):
        client.infer(NAME, [wrong])


def test_grpc_reads_no_message_over_the_limit_of_a_body(grpc_address: str) -> None:
    large = grpc_client.InferInput("text", [1], "BYTES")
    large.set_data_from_numpy(np.array(["x" * 2_000_001], dtype=np.object_))
    with pytest.raises(InferenceServerException) as refused:
        grpc_client.InferenceServerClient(grpc_address).infer(NAME, [large])
    assert refused.value.status() == "StatusCode.RESOURCE_EXHAUSTED"


def test_a_deadline_that_is_too_short(address: str) -> None:
    client = http_client.InferenceServerClient(address)
    with pytest.raises(InferenceServerException, match="deadline"):
        client.infer(NAME, [texts(http_client)], timeout=1)


def test_odd_texts_over_grpc(grpc_address: str, runtime: OnnxRuntime) -> None:
    """Half of a surrogate pair is no UTF-8, and a text over the limit is too long: said so, and all others answered."""
    client = grpc_client.InferenceServerClient(grpc_address)

    def answer(text: bytes) -> str:
        tensor = grpc_client.InferInput("text", [1], "BYTES")
        tensor.set_data_from_numpy(np.array([text], dtype=np.object_))
        return client.infer(NAME, [tensor]).as_numpy("label")[0].decode()

    for text in odd.ODD.values():
        assert answer(text.encode()) == runtime.predict([text])[0].label
    halves = [half.encode("utf-8", "surrogatepass") for half in odd.HALVES]
    for wrong in (*halves, b"\xff\xfe", b"a" * 100_001):
        with pytest.raises(InferenceServerException) as refused:
            answer(wrong)
        assert refused.value.status() == "StatusCode.INVALID_ARGUMENT"
        assert len(refused.value.message().split()) > 3


def test_truncation_is_told_over_http_and_grpc(address: str, grpc_address: str) -> None:
    def asked(module: Any) -> Any:
        given = module.InferInput("text", [3], "BYTES")
        given.set_data_from_numpy(np.array(["good", "film " * 15, "bad"], dtype=np.object_))
        return given

    over_http = http_client.InferenceServerClient(address).infer(NAME, [asked(http_client)])
    assert over_http.get_response()["parameters"] == {"truncated": "1"}
    over_grpc = grpc_client.InferenceServerClient(grpc_address).infer(NAME, [asked(grpc_client)])
    assert over_grpc.get_response().parameters["truncated"].string_param == "1"


def test_a_grpc_deadline_reaches_the_queue(grpc_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    allowed: list[float | None] = []
    answer = Model.answer

    async def noted(model: Model, texts: Sequence[Input], seconds: float | None = None) -> Answered:
        allowed.append(seconds)
        return await answer(model, texts, seconds)

    monkeypatch.setattr(Model, "answer", noted)
    client = grpc_client.InferenceServerClient(grpc_address)
    client.infer(NAME, [texts(grpc_client)], client_timeout=20)
    client.infer(NAME, [texts(grpc_client)])
    given, without = allowed
    assert given is not None
    assert 0 < given < 21  # gRPC rounds what is left up when it writes it down
    assert without is None


def test_grpc_requests_over_the_limit_are_refused_at_once(bundle_folder: Path) -> None:
    """Two wait for their answers; a third one, and it alone, is told that there are too many."""

    async def main() -> None:
        metrics, slow = Metrics(), Slow(bundle_folder)
        models = make_models(bundle_folder, metrics, [slow], Limits(connections=2))
        models.is_ready = True
        server, port = await start(models, metrics, "127.0.0.1", 0)
        async with grpc_aio_client.InferenceServerClient(f"127.0.0.1:{port}") as client:
            taken = [asyncio.create_task(client.infer(NAME, [texts(grpc_client)])) for _ in range(2)]
            while models.first._loaded.batcher.waiting[0] < 2 * len(ASKED):
                await asyncio.sleep(0.01)
            with pytest.raises(InferenceServerException, match=r"(?i)exhausted|concurrent"):
                await client.infer(NAME, [texts(grpc_client)], client_timeout=10)
            slow.go.set()
            for found in await asyncio.gather(*taken):
                assert found.as_numpy("label") is not None
        await server.stop(0)
        await asyncio.to_thread(models.close)

    asyncio.run(main())


def test_grpc_is_started_with_the_application(bundle_folder: Path) -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as free:
        port = free.getsockname()[1]
    metrics = Metrics()
    models = make_models(bundle_folder, metrics)
    with running(create_app(models, metrics, Settings(grpc=("127.0.0.1", port)))):
        assert grpc_client.InferenceServerClient(f"127.0.0.1:{port}").is_model_ready(NAME)


def test_grpc_tells_nothing_of_its_inside(grpc_address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise KeyError("/secret/path.py")

    monkeypatch.setattr("serve.grpc_server.tensors.output", broken)
    with pytest.raises(InferenceServerException, match="The server failed on this request") as failed:
        grpc_client.InferenceServerClient(grpc_address).infer(NAME, [texts(grpc_client)])
    assert "secret" not in str(failed.value)
