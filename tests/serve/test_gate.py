"""The key: one gate for every route, also for those that do not exist."""

import asyncio
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
import tritonclient.grpc as grpc_client
from fastapi import FastAPI
from fastapi.testclient import TestClient
from served import NAME, make_app, make_models
from tritonclient.utils import InferenceServerException

from serve.endpoint import Settings
from serve.errors import UserError
from serve.grpc_messages import MESSAGES
from serve.grpc_server import SERVICE, start
from serve.guard import PUBLIC
from serve.key import VARIABLE, Key, read_key
from serve.listening import check_host
from serve.metrics import Metrics
from serve.runtime import OnnxRuntime

SECRET = "k" * 32
SHOWN = {"authorization": f"Bearer {SECRET}"}


@pytest.fixture(scope="module")
def app(bundle_folder: Path, runtime: OnnxRuntime) -> FastAPI:
    return make_app(bundle_folder, [runtime], settings=Settings(key=Key(SECRET)))


@pytest.fixture(scope="module")
def client(app: FastAPI) -> Iterator[TestClient]:
    with TestClient(app, "http://localhost", raise_server_exceptions=False) as client:
        yield client


def paths(app: FastAPI) -> list[str]:
    """Every path that there is: those of OpenAPI, and those of its own pages."""
    filled = {"{model_name}": NAME, "{model_version}": "1"}
    found = [*app.openapi()["paths"], "/docs", "/redoc", "/openapi.json"]
    for name, value in filled.items():
        found = [path.replace(name, value) for path in found]
    assert len(found) > 20
    return found


def test_every_route_is_closed_without_the_key(app: FastAPI, client: TestClient) -> None:
    closed = [path for path in paths(app) if path not in PUBLIC]
    assert {"/predict", "/", "/metrics", "/docs", "/openapi.json", f"/v2/models/{NAME}/infer"} <= set(closed)
    for path in [*closed, "/nothing", "//predict", "/predict/", "/./info", "/health/", "/health/../info"]:
        for method in ("GET", "POST", "HEAD", "OPTIONS", "PUT", "DELETE"):
            reply = client.request(method, path)
            assert reply.status_code == 401, (method, path)
            assert reply.headers["www-authenticate"] == "Bearer"


def test_life_is_public(client: TestClient) -> None:
    for path in PUBLIC:
        assert client.get(path).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [SHOWN, {"authorization": f"bearer {SECRET}"}, {"x-api-key": SECRET}],
    ids=["bearer", "case", "x"],
)
def test_the_key_opens(client: TestClient, headers: dict[str, str]) -> None:
    assert client.post("/predict", json={"inputs": "good"}, headers=headers).status_code == 200


@pytest.mark.parametrize(
    "headers",
    [
        {"authorization": SECRET},
        {"authorization": f"Basic {SECRET}"},
        {"authorization": "Bearer "},
        {"authorization": f"Bearer {SECRET[:-1]}"},
        {"authorization": f"Bearer {SECRET}k"},
        {"x-api-key": ""},
    ],
)
def test_another_key_does_not(client: TestClient, headers: dict[str, str]) -> None:
    reply = client.post("/predict", json={"inputs": "good"}, headers=headers)
    assert reply.status_code == 401
    assert SECRET[:8] not in reply.text


def test_grpc_has_the_same_gate(bundle_folder: Path) -> None:
    async def main() -> None:
        metrics = Metrics()
        models = make_models(bundle_folder, metrics)
        models.is_ready = True
        server, port = await start(models, metrics, "127.0.0.1", 0, key=Key(SECRET))

        def ask() -> None:
            client = grpc_client.InferenceServerClient(f"127.0.0.1:{port}")
            assert client.is_server_ready()
            for act in (client.get_server_metadata, client.get_model_repository_index):
                with pytest.raises(InferenceServerException, match="Show the key"):
                    act()
                act(headers=SHOWN)
            assert client.is_model_ready(NAME, headers=SHOWN)
            models.is_ready = False
            assert not client.is_server_ready()
            assert not client.is_model_ready(NAME, headers=SHOWN)

        def counted(route: str, status: str, cause: str) -> float | None:
            labels = {"route": f"grpc/{route}", "status": status, "cause": cause}
            return metrics.registry.get_sample_value("compress_requests_total", labels)

        await asyncio.to_thread(ask)
        assert counted("ServerMetadata", "OK", "ok") == 1
        assert counted("ServerMetadata", "UNAUTHENTICATED", "unauthorized") == 1
        await server.stop(0)
        await asyncio.to_thread(models.close)

    asyncio.run(main())


def test_every_method_of_grpc_is_closed_without_the_key(bundle_folder: Path) -> None:
    async def main() -> None:
        metrics = Metrics()
        models = make_models(bundle_folder, metrics)
        server, port = await start(models, metrics, "127.0.0.1", 0, key=Key(SECRET))
        names = [name.removesuffix("Request") for name in MESSAGES if name.endswith("Request")]

        async def code(name: str, *shown: tuple[str, str]) -> grpc.StatusCode:
            call = channel.unary_unary(f"/{SERVICE}/{name}")
            try:
                await call(b"", metadata=shown, timeout=20)
            except grpc.RpcError as error:
                found: grpc.StatusCode = error.code()
                return found
            return grpc.StatusCode.OK

        async with grpc.aio.insecure_channel(f"127.0.0.1:{port}") as channel:
            wrong = ("authorization", f"Bearer {SECRET[:-1]}")
            closed = {
                name
                for name in names
                if {await code(name), await code(name, wrong)} == {grpc.StatusCode.UNAUTHENTICATED}
            }
            assert len(names) == 9
            assert closed == set(names) - {"ServerLive", "ServerReady"}
            for name in names:
                assert await code(name, ("x-api-key", SECRET)) != grpc.StatusCode.UNAUTHENTICATED
        await server.stop(0)
        await asyncio.to_thread(models.close)

    asyncio.run(main())


@pytest.mark.parametrize("verdict", [True, False])
def test_the_key_is_compared_in_constant_time(verdict: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """By `hmac.compare_digest` and by nothing else: it is asked, and what it says counts."""
    compared: list[tuple[bytes, bytes]] = []

    def compare(one: bytes, other: bytes) -> bool:
        compared.append((one, other))
        return verdict

    key = Key(SECRET)
    monkeypatch.setattr("hmac.compare_digest", compare)
    for shown in (SECRET, SECRET[:-1], "x", "k" * 1000, "\u00e9"):
        assert key.fits(shown) == verdict
        assert key.opens({"x-api-key": shown}) == verdict
    assert len(compared) == 10
    # Of one length, whatever was shown: of different lengths it would end early.
    assert {len(side) for pair in compared for side in pair} == {32}
    assert not any(SECRET.encode() in side for pair in compared for side in pair)


def test_where_the_key_is_read(tmp_path: Path) -> None:
    file = tmp_path / "key"
    file.write_text(f"{SECRET}\n")
    for key in (read_key(file, {}), read_key(None, {VARIABLE: SECRET})):
        assert key is not None
        assert key.fits(SECRET)
    assert read_key(None, {}) is None
    for content in ("short", "", "x" * 20 + " y", "\u00e9" * 20):
        file.write_text(content)
        with pytest.raises(UserError, match="cannot be used") as refused:
            read_key(file, {})
        assert content == "" or content not in str(refused.value)
    with pytest.raises(UserError, match="mend --api-key-file"):
        read_key(tmp_path / "missing", {})


def test_with_a_key_others_may_reach_it() -> None:
    with pytest.raises(UserError, match="asks for no key"):
        check_host("0.0.0.0", insecure=False)
    check_host("0.0.0.0", insecure=True)
