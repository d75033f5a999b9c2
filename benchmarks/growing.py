"""What `compress export-serving` writes, tried with the packages that it is written for: KServe's and Ray's own.

    .venv/bin/python benchmarks/growing.py runs/sst2/bundle --environments /tmp/growing

Each package gets an environment of its own under the folder, made once. KServe: both documents are held against the
models of its Python package (keys, types, what is required), and its REST and gRPC clients ask a `compress serve`
process. Ray: its own `serve run` runs the application file on one processor. Texts are the bundle's test rows. Exit
code 1 where something differs.
"""

import argparse
import json
import os
import signal
import socket
import statistics
import subprocess
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Sequence
from pathlib import Path

import yaml

import serve
from serve.bundle import EVALUATION, read
from serve.deploy import KServe, Ray, deploy

ROOT = Path(__file__).resolve().parents[1]
NEEDS = {"kserve": ("kserve==0.21.0",), "ray": ("ray[serve]==2.60.0", str(ROOT))}
NAME = "tried"
PATIENCE_S = 240

IN_KSERVE = '''
import asyncio, json, re, sys
import kserve.models, kubernetes.client
import numpy as np
from kserve import InferenceGRPCClient, InferenceRESTClient, InferInput, InferRequest, RESTConfig

documents, url, grpc, name, texts = json.load(open(sys.argv[1]))
found = {}

def read(value, kind, place):
    """The value as KServe's model of this kind has it, or Kubernetes'; raises where it has another shape or key."""
    inner = re.fullmatch(r"(list|dict)[\\[(](?:str, )?(.+)[])]", kind, re.IGNORECASE)
    if inner and inner[1].lower() == "list":
        return [read(one, inner[2], place) for one in value]
    if inner:
        return {key: read(one, inner[2], f"{place}.{key}") for key, one in value.items()}
    if kind in ("str", "int", "bool"):
        assert type(value).__name__ == kind, f"{place} is {value!r}, expected {kind}"
        return value
    if kind == "object":
        return value
    model = getattr(kserve.models, kind, None) or getattr(kubernetes.client, kind)
    names = {key: name for name, key in model.attribute_map.items()}
    assert set(value) <= set(names), f"{place}: {set(value) - set(names)} unknown to {kind}"
    parts = {names[key]: read(one, model.openapi_types[names[key]], f"{place}.{key}") for key, one in value.items()}
    return model.from_dict(value) if hasattr(model, "from_dict") else model(**parts)

for document in documents:
    kind = document["apiVersion"].rpartition("/")[2].capitalize() + document["kind"]
    try:
        read(document, kind, kind)
        found[f"schema of {kind}"] = "as it should be"
    except (AssertionError, ValueError) as error:
        found[f"schema of {kind}"] = f"WRONG: {error}"

def request(texts, binary):
    tensor = InferInput("text", [len(texts)], "BYTES")
    tensor.set_data_from_numpy(np.array(texts, dtype=object), binary_data=binary)
    return InferRequest(model_name=name, infer_inputs=[tensor])

def answers(response):
    outputs = {one.name: one.as_numpy() for one in response.outputs}
    strings = [one.decode() if isinstance(one, bytes) else one for one in outputs["label"].ravel().tolist()]
    return {"labels": strings, "probabilities": outputs["probabilities"].tolist()}

async def ask():
    rest = InferenceRESTClient(RESTConfig(protocol="v2", retries=0))
    found["REST: live"] = await rest.is_server_live(url)
    found["REST: ready"] = await rest.is_server_ready(url)
    found["REST: model ready"] = await rest.is_model_ready(url, name)
    for binary in (False, True):
        response = await rest.infer(url, request(texts, binary), model_name=name)
        found["REST: binary" if binary else "REST: JSON"] = answers(response)
    for what, asked, model in (("33 texts", ["x"] * 33, name), ("another model", ["x"], "nobody")):
        try:
            await rest.infer(url, request(asked, True), model_name=model)
        except Exception as error:
            found[f"REST: {what}"] = f"{type(error).__name__}: {error}"
    client = InferenceGRPCClient(url=grpc, retries=0)
    found["gRPC: ready"] = await client.is_server_ready()
    found["gRPC: infer"] = answers(await client.infer(request(texts, True)))
    try:
        await client.infer(request(["x"] * 33, True))
    except Exception as error:
        found["gRPC: 33 texts"] = f"{error.code().name}: {error.details()}"

asyncio.run(ask())
json.dump(found, open(sys.argv[2], "w"))
'''


def main(bundle: Path, environments: Path, only: Sequence[str], count: int) -> int:
    """A row for each thing that was tried; how many were not as they should be."""
    loaded = read(bundle)
    rows = (loaded.folder / EVALUATION).read_text(encoding="utf-8").splitlines()[:count]
    texts = [json.loads(line)["text"] for line in rows]
    print("| tried | found |")
    print("|---|---|")
    wrong = 0
    for name in only:
        python = environment(environments.resolve() / name, NEEDS[name])
        with tempfile.TemporaryDirectory() as scratch:
            wrong += {"kserve": with_kserve, "ray": with_ray}[name](python, bundle, Path(scratch), texts)
    return wrong


def environment(folder: Path, packages: Sequence[str]) -> Path:
    """The Python of a virtual environment with these packages; made once."""
    python = folder / ".venv/bin/python"
    if not python.exists():
        pins = ["-c", str(ROOT / "constraints.txt")]
        subprocess.run([sys.executable, "-m", "venv", str(folder / ".venv")], check=True)
        subprocess.run([str(python), "-m", "pip", "install", "-q", *pins, *packages], check=True)
    return python


def with_kserve(python: Path, bundle: Path, scratch: Path, texts: Sequence[str]) -> int:
    """KServe's models on our documents, and its clients on our server."""
    deploy(bundle, KServe(), scratch / "out", NAME)
    documents = [yaml.safe_load(path.read_text()) for path in sorted((scratch / "out").glob("*.yaml"))]
    grpc = f"127.0.0.1:{free_port()}"
    options = [f"--bundle={NAME}={bundle.resolve()}", "--port=0", f"--grpc-port={grpc.rpartition(':')[2]}"]
    command = [sys.executable, "-m", "compress", "serve", *options]
    server = subprocess.Popen(command, stdout=subprocess.PIPE, text=True, cwd=ROOT, env=unbuffered())
    assert server.stdout is not None
    try:
        url = server.stdout.readline().rpartition(" ")[2].strip()
        asked = texts[:32]
        (scratch / "asked.json").write_text(json.dumps([documents, url, grpc, NAME, asked]))
        (scratch / "ask.py").write_text(IN_KSERVE)
        subprocess.run([str(python), "ask.py", "asked.json", "found.json"], check=True, cwd=scratch)
    finally:
        server.terminate()
        server.wait(timeout=60)
    wrong = 0
    for what, found in json.loads((scratch / "found.json").read_text()).items():
        if isinstance(found, dict):
            away = distance(bundle, asked, found["labels"], found["probabilities"])
            print(f"| {what} | {len(asked)} texts, probabilities within {away:.1e} |")
            wrong += away > 1e-5
        else:
            print(f"| {what} | {found} |")
            wrong += found is False or str(found).startswith("WRONG")
    return wrong


def with_ray(python: Path, bundle: Path, scratch: Path, texts: Sequence[str]) -> int:
    """Ray's own command on our application file, on one processor."""
    out = scratch / "out"
    deploy(bundle, Ray(), out, NAME)
    ray = python.with_name("ray")
    environment = unbuffered() | {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ADDRESS": "", "PYTHONPATH": ""}
    started = time.perf_counter()
    head = [
        "start",
        "--head",
        "--num-cpus=1",
        "--port=0",
        "--include-dashboard=false",
        "--disable-usage-stats",
    ]
    log = (scratch / "ray.log").open("w+")
    subprocess.run([str(ray), *head], check=True, env=environment, stdout=log, stderr=log)
    command = [str(python.with_name("serve")), "run", "application:application"]
    environment["RAY_ADDRESS"] = "auto"
    process = subprocess.Popen(command, cwd=out, env=environment, stdout=log, stderr=log)
    try:
        url = "http://127.0.0.1:8000"
        wait_until_ready(f"{url}/v2/health/ready", process)
        print(f"| Ray: ready after | {time.perf_counter() - started:.0f} s |")
        labels, probabilities, times = [], [], []
        for text in texts:
            begun = time.perf_counter()
            answer = post(f"{url}/predict", {"inputs": text})
            times.append(time.perf_counter() - begun)
            scores = {one["label"]: one["score"] for one in answer}
            labels.append(answer[0]["label"])
            probabilities.append([scores[label] for label in read(bundle).manifest.labels])
        away = distance(bundle, texts, labels, probabilities)
        print(f"| Ray: POST /predict | {len(texts)} texts, probabilities within {away:.1e} |")
        print(f"| Ray: a call, p50 | {1000 * statistics.median(times):.1f} ms |")
        return away > 1e-5
    except BaseException:
        log.seek(0)
        print(log.read()[-4000:])
        raise
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(timeout=60)
        subprocess.run([str(ray), "stop"], check=False, env=environment, stdout=log, stderr=log)


def distance(
    bundle: Path, texts: Sequence[str], labels: Sequence[str], probabilities: Sequence[Sequence[float]]
) -> float:
    """The largest difference in probability from our own runtime; infinite where a label is another."""
    runtime = serve.load(bundle)
    ours = [runtime.predict([text])[0] for text in texts]
    if [one.label for one in ours] != list(labels):
        return float("inf")
    pairs = zip(ours, probabilities, strict=True)
    return max(abs(a - b) for one, row in pairs for a, b in zip(one.probabilities.values(), row, strict=True))


def wait_until_ready(url: str, process: subprocess.Popen[str] | subprocess.Popen[bytes]) -> None:
    """Return once it answers 200; raises `RuntimeError` where the process ends or nothing comes."""
    end = time.monotonic() + PATIENCE_S
    while time.monotonic() < end and process.poll() is None:
        try:
            with urllib.request.urlopen(url, timeout=5):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"{url} did not answer")


def post(url: str, document: object) -> list[dict[str, object]]:
    """The answer to a JSON document."""
    request = urllib.request.Request(
        url, data=json.dumps(document).encode(), headers={"Content-Type": "application/json"}
    )
    with urllib.request.urlopen(request, timeout=60) as response:
        found: list[dict[str, object]] = json.load(response)
    return found


def free_port() -> int:
    """A port that nobody listens on now."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        return int(probe.getsockname()[1])


def unbuffered() -> dict[str, str]:
    """This environment, with lines as they are written."""
    return os.environ | {"PYTHONUNBUFFERED": "1"}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("bundle", type=Path)
    parser.add_argument("--environments", type=Path, required=True, help="where the environments are kept")
    parser.add_argument("--only", nargs="+", choices=list(NEEDS), default=list(NEEDS))
    parser.add_argument("--texts", type=int, default=100)
    given = parser.parse_args()
    sys.exit(1 if main(given.bundle, given.environments, given.only, given.texts) else 0)
