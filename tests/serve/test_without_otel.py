"""The base install, which has no OpenTelemetry SDK: it is not looked for, and a missing one is said and no more."""

import subprocess
import sys
from pathlib import Path

import pytest

from serve.tracing import open_tracing

ROOT = Path(__file__).parents[2]


def test_a_server_without_collector_imports_nothing_of_it(bundle_folder: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from serve.server import Serving, open_application\n"
        f"open_application(Serving(bundles={{'a': Path({str(bundle_folder)!r})}}, threads=1))[1].close()\n"
        "print(*(name for name in sys.modules if name.startswith(('opentelemetry.sdk', 'opentelemetry.exporter'))))"
    )
    environment = {"PATH": "", "PYTHONPATH": str(ROOT)}
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True, cwd=ROOT, env=environment
    )
    assert done.stdout.strip() == ""


def test_a_missing_extra_is_said_and_the_server_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    assert open_tracing({"OTEL_EXPORTER_OTLP_ENDPOINT": "http://127.0.0.1:1"}) is None
    assert "compress-toolchain[otel]" in caplog.text
