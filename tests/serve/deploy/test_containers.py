"""KServe's documents and Docker's files, parsed: what they say is what our server takes, and no more than it needs."""

import json
import os
import re
import subprocess
import sys
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
import typer
import yaml

from compress.cli import app
from serve.deploy import Docker, KServe, deploy

ROOT = Path(__file__).parents[3]
NAME = "sst2"
KEY = "k" * 20


@pytest.fixture(scope="module")
def kserve(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """Both documents, by kind."""
    out = tmp_path_factory.mktemp("kserve") / "out"
    deploy(
        bundle_folder, KServe(image="registry.example/compress:1", storage_uri="s3://models/sst2"), out, NAME
    )
    documents = [yaml.safe_load(path.read_text()) for path in out.glob("*.yaml")]
    return {document["kind"]: document for document in documents}


@pytest.fixture(scope="module")
def docker(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("docker")
    wheel = folder / "compress_toolchain-0.1.0-py3-none-any.whl"
    with ZipFile(wheel, "w") as archive:
        archive.writestr("serve/__init__.py", "")
    deploy(bundle_folder, Docker(wheel=wheel), folder / "out", NAME)
    return folder / "out"


def options_of(command: list[str]) -> dict[str, str]:
    """The options of a `compress serve` command; all must be known to it."""
    assert command[:2] == ["compress", "serve"]
    known = typer.main.get_command(app).commands["serve"].params
    names = {option for parameter in known for option in parameter.opts}
    found = dict(word.partition("=")[::2] for word in command[2:])
    assert set(found) <= names
    return found


def test_kserves_runtime_starts_our_server(kserve: dict[str, Any]) -> None:
    spec = kserve["ServingRuntime"]["spec"]
    (container,) = spec["containers"]
    given = options_of([*container["command"], *container["args"]])
    assert given["--bundle"] == "{{.Name}}=/mnt/models"
    assert (given["--port"], given["--grpc-port"]) == ("8080", "9000")
    assert [port["containerPort"] for port in container["ports"]] == [8080, 9000]
    assert spec["protocolVersions"] == ["v2", "grpc-v2"]
    assert spec["annotations"] == {
        "prometheus.kserve.io/port": "8080",
        "prometheus.kserve.io/path": "/metrics",
    }
    assert container["image"] == "registry.example/compress:1"
    probes = {name: container[f"{name}Probe"]["httpGet"] for name in ("startup", "readiness", "liveness")}
    assert probes["readiness"] == {"path": "/v2/health/ready", "port": 8080}
    assert probes["liveness"] == probes["startup"] == {"path": "/v2/health/live", "port": 8080}
    secured = container["securityContext"]
    assert secured["runAsNonRoot"]
    assert secured["readOnlyRootFilesystem"]
    assert not secured["allowPrivilegeEscalation"]
    assert secured["capabilities"] == {"drop": ["ALL"]}


def test_kserves_service_names_the_runtime_and_waits_for_the_drain(kserve: dict[str, Any]) -> None:
    from serve.server import IN_FLIGHT_SECONDS

    service, runtime = kserve["InferenceService"], kserve["ServingRuntime"]
    predictor = service["spec"]["predictor"]
    assert service["metadata"]["name"] == NAME
    assert predictor["model"]["runtime"] == runtime["metadata"]["name"]
    formats = [one["name"] for one in runtime["spec"]["supportedModelFormats"]]
    assert predictor["model"]["modelFormat"]["name"] in formats
    assert predictor["model"]["protocolVersion"] in runtime["spec"]["protocolVersions"]
    assert predictor["model"]["storageUri"] == "s3://models/sst2"
    (container,) = runtime["spec"]["containers"]
    drain = float(options_of([*container["command"], *container["args"]])["--drain-seconds"])
    assert predictor["terminationGracePeriodSeconds"] > drain + IN_FLIGHT_SECONDS


INSTRUCTION = re.compile(r"^([A-Z]+) (.*)$")


def instructions(dockerfile: str) -> list[tuple[str, str]]:
    joined = re.sub(r"\\\n\s*", "", dockerfile)
    found = [INSTRUCTION.match(line) for line in joined.splitlines() if line and not line.startswith("#")]
    assert all(found), dockerfile
    return [(one[1], one[2]) for one in found if one]


def test_the_image_runs_no_shell_and_not_as_root(docker: Path) -> None:
    found = instructions((docker / "Dockerfile").read_text())
    known = {
        "FROM",
        "WORKDIR",
        "COPY",
        "RUN",
        "ENV",
        "USER",
        "EXPOSE",
        "STOPSIGNAL",
        "HEALTHCHECK",
        "ENTRYPOINT",
    }
    assert {kind for kind, _ in found} == known
    for kind, rest in found:
        if kind in ("RUN", "ENTRYPOINT"):
            assert all(isinstance(word, str) for word in json.loads(rest))
        if kind == "HEALTHCHECK":
            assert "/v2/health/ready" in json.loads(rest.partition("CMD ")[2])[2]
        if kind == "FROM":
            assert re.fullmatch(r"python:3\.1[1-3]\.\d+-slim-\w+( AS build)?", rest)
    after = [kind for kind, _ in found][[kind for kind, _ in found].index("USER") :]
    assert dict(found)["USER"] == "65532:65532"
    assert not {"COPY", "RUN"} & set(after)
    assert dict(found)["EXPOSE"] == "8080"


def test_what_the_image_copies_is_there_and_not_ignored(docker: Path) -> None:
    copied = [
        rest.split()[0].rstrip("/")
        for kind, rest in instructions((docker / "Dockerfile").read_text())
        if kind == "COPY" and not rest.startswith("--from")
    ]
    allowed = [line[1:] for line in (docker / ".dockerignore").read_text().splitlines() if line[0] == "!"]
    assert sorted(copied) == sorted(allowed) == ["bundle", "constraints.txt", "wheel"]
    assert all((docker / place).exists() for place in copied)
    installs = [
        json.loads(rest) for kind, rest in instructions((docker / "Dockerfile").read_text()) if kind == "RUN"
    ]
    wheel = Path(installs[-1][-1].partition("[")[0])
    assert (docker / "wheel" / wheel.name).is_file()
    assert (docker / "constraints.txt").read_text() == (ROOT / "constraints.txt").read_text()


def test_compose_gives_the_container_nothing_to_write_and_nobody_else_the_port(docker: Path) -> None:
    ((_, service),) = yaml.safe_load((docker / "compose.yaml").read_text())["services"].items()
    assert service["read_only"]
    assert service["cap_drop"] == ["ALL"]
    assert service["tmpfs"] == ["/tmp"]
    assert service["ports"] == ["127.0.0.1:8080:8080"]
    assert service["user"] == "65532:65532"
    assert service["environment"]["COMPRESS_API_KEY"].startswith("${COMPRESS_API_KEY:?")


@pytest.fixture(scope="module")
def entrypoint(docker: Path) -> list[str]:
    """The image's command, on this machine: the bundle where it is, and any free port."""
    words = json.loads(dict(instructions((docker / "Dockerfile").read_text()))["ENTRYPOINT"])
    assert options_of(words)["--bundle"] == f"{NAME}=/bundle"
    words = [word.replace("/bundle", str(docker / "bundle")) for word in words[1:]]
    return [sys.executable, "-m", "compress", *words, "--port=0", "--threads=1"]


def test_the_images_command_wants_a_key(entrypoint: list[str]) -> None:
    without = {name: value for name, value in os.environ.items() if name != "COMPRESS_API_KEY"}
    done = subprocess.run(entrypoint, env=without, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 2
    assert "COMPRESS_API_KEY" in done.stderr


def test_the_images_command_serves_and_its_health_check_sees_it(entrypoint: list[str], docker: Path) -> None:
    environment = os.environ | {"COMPRESS_API_KEY": KEY, "PYTHONUNBUFFERED": "1"}
    process = subprocess.Popen(entrypoint, env=environment, cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    try:
        port = process.stdout.readline().strip().rpartition(":")[2]
        rest = dict(instructions((docker / "Dockerfile").read_text()))["HEALTHCHECK"]
        words = json.loads(
            rest.partition("CMD ")[2].replace(":8080/", f":{port}/").replace("timeout=2", "timeout=30")
        )
        assert subprocess.run([sys.executable, *words[1:]], check=False).returncode == 0
        url = f"http://127.0.0.1:{port}/v2/models/{NAME}"
        with pytest.raises(urllib.error.HTTPError, match="401"):
            urllib.request.urlopen(url)
        asked = urllib.request.Request(url, headers={"Authorization": f"Bearer {KEY}"})
        assert json.load(urllib.request.urlopen(asked))["name"] == NAME
    finally:
        process.kill()
        process.wait(timeout=20)
