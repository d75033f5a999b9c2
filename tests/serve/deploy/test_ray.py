"""Ray's application file, with a stand-in for Ray: `benchmarks/ray_serve.py` asks the real one."""

import importlib.util
import sys
import types
from pathlib import Path
from typing import Any

import pytest
from fastapi.testclient import TestClient

from serve.deploy import Ray, deploy
from serve.runtime import OnnxRuntime


@pytest.fixture
def application(bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> types.ModuleType:
    deploy(bundle_folder, Ray(), tmp_path / "out", "sst2")

    def deployment(**_: Any) -> Any:
        return lambda kind: types.SimpleNamespace(bind=lambda: kind)

    stand_in = types.ModuleType("ray")
    vars(stand_in)["serve"] = types.SimpleNamespace(
        deployment=deployment, ingress=lambda _: lambda kind: kind
    )
    monkeypatch.setitem(sys.modules, "ray", stand_in)
    monkeypatch.delenv("COMPRESS_API_KEY", raising=False)
    spec = importlib.util.spec_from_file_location("application", tmp_path / "out/application.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_replica_answers_as_our_server(application: types.ModuleType, runtime: OnnxRuntime) -> None:
    with TestClient(application.build(), "http://localhost") as client:
        (best, _) = client.post("/predict", json={"inputs": "a good film"}).json()
        (expected,) = runtime.predict(["a good film"])
        assert best["label"] == expected.label
        assert best["score"] == pytest.approx(expected.score, abs=1e-6)
        assert client.get("/v2/models/sst2/ready").status_code == 200
        assert client.get("/health", headers={"host": "elsewhere.example"}).status_code == 403


def test_others_reach_it_with_a_key_alone(
    application: types.ModuleType, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("COMPRESS_API_KEY", "k" * 20)
    with TestClient(application.build(), "http://elsewhere.example") as client:
        assert client.get("/info").status_code == 401
        assert client.get("/info", headers={"authorization": "Bearer " + "k" * 20}).status_code == 200
