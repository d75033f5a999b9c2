"""`compress serve` with a teacher beside the student, as a process of its own, asked over HTTP."""

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx
import pytest
from prometheus_client.parser import text_string_to_metric_families

from serve.bundle import MANIFEST
from serve.runtime import OnnxRuntime

TEXTS = [
    "a good film",
    "awful music, flat ending",
    "it was cold but lovely",
    "no plot",
    "the",
    "warm but grim",
]
BELOW = 0.7


@pytest.fixture
def opposite(bundle_copy: Path) -> Path:
    """A teacher that always says the other label: the student's own file with its labels exchanged."""
    manifest = json.loads((bundle_copy / MANIFEST).read_text())
    manifest["labels"].reverse()
    (bundle_copy / MANIFEST).write_text(json.dumps(manifest))
    return bundle_copy


@contextmanager
def serving(*options: str) -> Iterator[httpx.Client]:
    """A client of the command with these options."""
    command = [sys.executable, "-m", "compress", "serve", *options, "--port", "0", "--threads", "1"]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        url = f"http://127.0.0.1:{int(process.stdout.readline().rpartition(':')[2])}"
        with httpx.Client(base_url=url, timeout=30) as client:
            yield client
        process.terminate()
        process.terminate()
        assert process.wait(20) == 0


def counted(client: httpx.Client, name: str) -> float:
    """Of `/metrics`."""
    (found,) = (
        sample.value
        for family in text_string_to_metric_families(client.get("/metrics").text)
        for sample in family.samples
        if sample.name == f"compress_{name}"
    )
    return found


def test_a_cascade_answers_with_the_teacher_where_the_student_is_in_doubt(
    bundle_folder: Path, opposite: Path, runtime: OnnxRuntime
) -> None:
    with serving(str(bundle_folder), "--cascade", str(opposite), "--below", str(BELOW)) as client:
        labels = [client.post("/predict", json={"inputs": text}).json()[0]["label"] for text in TEXTS]
        students = runtime.predict(TEXTS)
        doubtful = [own.score < BELOW for own in students]
        assert 0 < sum(doubtful) < len(TEXTS)
        for label, own, in_doubt in zip(labels, students, doubtful, strict=True):
            assert (label != own.label) == in_doubt
        assert counted(client, "cascade_texts_total") == len(TEXTS)
        assert counted(client, "cascade_handed_on_total") == sum(doubtful)
        assert counted(client, "cascade_seconds_total") > 0


def test_a_shadow_changes_no_answer_and_tells_where_the_teacher_differs(
    bundle_folder: Path, opposite: Path, runtime: OnnxRuntime
) -> None:
    with serving(str(bundle_folder), "--shadow", str(opposite), "--sample", "1") as client:
        labels = [client.post("/predict", json={"inputs": text}).json()[0]["label"] for text in TEXTS]
        assert labels == [own.label for own in runtime.predict(TEXTS)]
        for _ in range(100):
            if counted(client, "shadow_texts_total") == len(TEXTS):
                break
            time.sleep(0.05)
        assert counted(client, "shadow_texts_total") == len(TEXTS)
        assert counted(client, "shadow_agreed_total") == 0
        assert counted(client, "shadow_kl_nats_sum") > 0
        told = client.get("/shadow").json()
        assert {one["student"] for one in told} == set(labels)
        assert all(one["text"] is None for one in told)
