"""`compress serve`: every option reaches the server, and the server does what it was told."""

import json
import shutil
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest
from fastapi.testclient import TestClient
from mistakes import complaint

from compress.cli import main
from serve.bundle import MANIFEST
from serve.errors import UserError
from serve.key import VARIABLE, Key
from serve.limits import Limits
from serve.models import Models
from serve.server import Beside, Serving, open_application, serve_bundles

NAME = "tiny-sentiment"
SECRET = "s" * 32


def asked_by(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> Serving:
    """What the command would serve."""
    seen: list[Serving] = []
    monkeypatch.setattr("serve.server.serve_bundles", lambda asked, ready: seen.append(asked))
    monkeypatch.setattr(sys, "argv", ["compress", "serve", *map(str, arguments)])
    monkeypatch.delenv(VARIABLE, raising=False)
    with pytest.raises(SystemExit) as stopped:
        main()
    assert not stopped.value.code
    (found,) = seen
    return found


def test_every_option_reaches_the_server(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "key"
    file.write_text(SECRET)
    found = asked_by(
        monkeypatch, bundle_folder, "--bundle", f"other={bundle_folder}", "--host", "::1", "--port", 9,
        "--grpc-port", 10, "--threads", 3, "--workers", 2, "--api-key-file", file, "--insecure", "--watch",
        "--drain-seconds", 1.5, "--log-requests", "--max-wait-seconds", 7, "--shadow", tmp_path,
        "--sample", 0.25, "--keep-texts",
    )  # fmt: skip
    assert found.key is not None
    assert found.key.fits(SECRET)
    assert replace(found, key=None) == Serving(
        bundles={NAME: bundle_folder, "other": bundle_folder},
        host="::1",
        port=9,
        grpc_port=10,
        threads=3,
        workers=2,
        limits=Limits(seconds=7),
        insecure=True,
        log_requests=True,
        watch=True,
        drain_seconds=1.5,
        beside=Beside(tmp_path, share=0.25, keep_texts=True),
    )


def test_without_options_it_is_this_machines_alone(
    bundle_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert asked_by(monkeypatch, bundle_folder) == Serving({NAME: bundle_folder})
    assert Serving({}) == Serving({}, host="127.0.0.1", insecure=False, key=None, watch=False, beside=None)


def test_a_cascade_has_its_threshold_and_is_no_shadow(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    given = (bundle_folder, "--cascade", tmp_path)
    assert asked_by(monkeypatch, *given).beside == Beside(tmp_path, below=0.8)
    assert asked_by(monkeypatch, *given, "--below", 0.6).beside == Beside(tmp_path, below=0.6)
    said = " ".join(
        complaint("serve", str(bundle_folder), "--cascade", str(tmp_path), "--shadow", str(tmp_path)).split()
    )
    assert "--shadow or --cascade" in said


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (["--cascade", "{bundle}", "--below", "1.5"], "less than or equal to 1"),
        (["--cascade", "{bundle}", "--below", "-0.1"], "greater than or equal to 0"),
        (["--cascade", "{bundle}", "--below", "nan"], "'--below'"),
        (["--below", "0.8"], "give --cascade too"),
        (["--shadow", "{bundle}", "--below", "0.8"], "give --cascade too"),
        (["--shadow", "{bundle}", "--sample", "1.01"], "less than or equal to 1"),
        (["--shadow", "{bundle}", "--sample", "nan"], "'--sample'"),
        (["--sample", "0.5"], "--sample says what --shadow does: give --shadow too"),
        (["--cascade", "{bundle}", "--sample", "0"], "give --shadow too"),
        (["--max-wait-seconds", "inf"], "'--max-wait-seconds'"),
        (["--max-wait-seconds", "nan"], "'--max-wait-seconds'"),
        (["--drain-seconds", "inf"], "'--drain-seconds'"),
        (["--keep-texts"], "--keep-texts says what --shadow does: give --shadow too"),
        (["--shadow", "{empty}"], "is not a bundle"),
        (["--cascade", "{empty}"], "is not a bundle"),
    ],
)
def test_a_number_or_a_teacher_that_cannot_be_is_refused(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, given: list[str], says: str
) -> None:
    def run(*_: object) -> None:
        raise AssertionError("it serves")

    monkeypatch.setattr("serve.server._run", run)
    options = [one.format(bundle=bundle_folder, empty=tmp_path) for one in given]
    said = complaint("serve", str(bundle_folder), "--port", "0", "--threads", "1", "--workers", "1", *options)
    assert says in " ".join(said.replace("\u2502", " ").split())


def test_watching_puts_a_new_version_of_every_bundle_in(
    bundle_folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """And without it the version of the start answers on."""
    monkeypatch.setattr("serve.watch._EVERY_S", 0.02)
    bundles = {name: shutil.copytree(bundle_folder, tmp_path / name) for name in ("first", "second")}
    for watch in (False, True):
        app, models = open_application(Serving(bundles, threads=1, workers=1, watch=watch))
        created = f"2030-01-01T00:00:0{int(watch)}Z"

        def put_in(name: str, models: Models = models, created: str = created) -> bool:
            return models.named(name).info.created == created

        with TestClient(app, "http://localhost"):
            for folder in bundles.values():
                part = folder / "part"
                part.write_text(
                    json.dumps(json.loads((folder / MANIFEST).read_text()) | {"created": created})
                )
                part.replace(folder / MANIFEST)
            end = time.monotonic() + (20 if watch else 0.3)
            while not all(map(put_in, bundles)) and time.monotonic() < end:
                time.sleep(0.02)
            assert [put_in(name) for name in bundles] == [watch, watch]


def test_vertex_ai_names_the_port(bundle_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def listen(host: str, port: int) -> None:
        raise UserError(f"{host} port {port}", "", "")

    monkeypatch.setattr("serve.server.listen", listen)
    for name, port in (("UNRELATED", 9), ("AIP_HTTP_PORT", 8123)):
        monkeypatch.setenv(name, "8123")
        with pytest.raises(UserError, match=f"127.0.0.1 port {port}"):
            serve_bundles(Serving({NAME: bundle_folder}, port=9))


@pytest.mark.parametrize("logs", [True, False])
def test_requests_are_logged_where_that_is_wanted(
    logs: bool, bundle_folder: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    app, _ = open_application(Serving({NAME: bundle_folder}, threads=1, log_requests=logs))
    with TestClient(app, "http://localhost") as client:
        client.post("/predict", json={"inputs": "a secret film"}, headers={"x-request-id": "abc-7"})
    said = capsys.readouterr().err
    lines = [json.loads(line) for line in said.splitlines() if line.startswith("{")]
    assert [(line["request_id"], line["route"]) for line in lines] == [("abc-7", "/predict")] * logs
    assert "secret" not in said


def test_key_limits_and_host_are_those_that_were_asked_for(bundle_folder: Path) -> None:
    asked = Serving({NAME: bundle_folder}, threads=1, key=Key(SECRET), limits=Limits(seconds=7, texts=3))
    shown = {"x-api-key": SECRET}
    for host, others in (("127.0.0.1", 403), ("0.0.0.0", 200)):
        app, _ = open_application(replace(asked, host=host))
        with TestClient(app, "http://localhost") as client:
            assert client.get("/info").status_code == 401
            limits = client.get("/info", headers=shown).json()["limits"]
            assert (limits["seconds"], limits["texts"]) == (7, 3)
            assert client.get("/info", headers={**shown, "host": "models.example"}).status_code == others
