"""From a bundle's folder, or from a page, to a page in the browser."""

import json
import os
import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory

import gradio as gr
from starlette.middleware import Middleware

from app.batch import MOST_BYTES
from app.evaluation import read_rows
from app.inside import Inside, stay_inside
from app.live import Watch
from app.page import build_page
from app.starting import speak_mcp
from app.styles import CSS, theme
from app.subject import Watched, subject
from app.tasks import task_of
from serve.bundle import EVALUATION, MANIFEST, REPORT, Bundle, read, sha256
from serve.client import Endpoint
from serve.errors import BundleError, UserError
from serve.guard import Guard, is_loopback
from serve.listening import check_host, listen
from serve.predictor import Predictor
from serve.runtime import OnnxRuntime

_FOLDER = "GRADIO_TEMP_DIR"  # as Gradio reads it


@dataclass(frozen=True)
class Reach:
    """Where the page listens, and who may reach it."""

    host: str = "127.0.0.1"
    port: int = 7860  # 0 takes a free one
    insecure: bool = False  # listen beyond this machine, though nobody is asked for a key
    share: bool = False  # a public address through Gradio's own tunnel, for a week
    mcp: bool = False  # also speak the Model Context Protocol


def show(
    bundle: Path,
    *,
    teacher: Predictor | None = None,
    endpoint: Endpoint | None = None,
    reach: Reach | None = None,
    threads: int | None = None,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Show a bundle's student beside its teacher until SIGTERM or SIGINT.

    Without a `teacher` its stored answers are shown. With an `endpoint` it answers what people type, in place of
    the bundle's own file, and its metrics are drawn. `ready` is called with the URL once the page can be
    opened. Raises `UserError` and `BundleError`.
    """
    reach = reach or Reach()
    check_host(reach.host, insecure=reach.insecure)
    checked = read(bundle)
    task = task_of(checked.manifest.answering, checked.manifest.labels)
    student = OnnxRuntime(checked, threads)
    about = subject(
        checked.manifest.name,
        _report(bundle / REPORT),
        read_rows(bundle / EVALUATION, task),
        student,
        teacher,
        _watched(endpoint, checked) if endpoint else None,
        pairs=checked.manifest.text_pair,
        task=task,
    )
    with _own_folder():
        page = build_page(about)
        url = launch(page, reach)
        try:
            if ready is not None:
                ready(url)
            _wait()
        finally:
            about.rows.stop()
            page.close(verbose=False)


def launch(page: gr.Blocks, reach: Reach | None = None) -> str:
    """Serve the page from a thread of this process; returns its URL, the public one where it is shared.

    Unless it is shared, nothing is sent to or fetched from elsewhere. Raises `UserError` for a host that others
    reach, unless `insecure`, and for a port that is taken. `page.close()` ends it.
    """
    reach = reach or Reach()
    check_host(reach.host, insecure=reach.insecure)
    page.queue(max_size=64)
    if reach.mcp:
        speak_mcp()
    stay_inside(page)
    # Gradio by itself answers any Host and any Origin. Who comes through the tunnel names the tunnel as the host.
    guard = Middleware(Guard, loopback=is_loopback(reach.host) and not reach.share)
    _, url, public = page.launch(
        server_name=reach.host,
        server_port=_free(reach.host, reach.port),
        prevent_thread_lock=True,
        share=reach.share,
        quiet=True,
        theme=theme(),
        css=CSS,
        footer_links=["api"],
        ssr_mode=False,
        strict_cors=True,
        enable_monitoring=False,
        run_history=False,  # it would keep what people typed, in their browser
        mcp_server=reach.mcp,
        allowed_paths=[],
        max_file_size=MOST_BYTES,
        app_kwargs={"middleware": [guard, Middleware(Inside)]},
    )
    return (public or url).rstrip("/")


@contextmanager
def _own_folder() -> Iterator[None]:
    """What people upload lies in a folder of its own that only this user reads, and is gone at the end."""
    before = os.environ.get(_FOLDER)
    with TemporaryDirectory(prefix="compress-demo-") as folder:
        os.environ[_FOLDER] = folder
        try:
            yield
        finally:
            os.environ.pop(_FOLDER)
            if before is not None:
                os.environ[_FOLDER] = before


def _watched(endpoint: Endpoint, bundle: Bundle) -> Watched:
    """The endpoint, to be looked at; raises `UserError` where it answers with other labels, or is asked otherwise."""
    if set(endpoint.labels) != set(bundle.manifest.labels):
        raise UserError(
            f"the endpoint {endpoint.url} answers with the labels {', '.join(endpoint.labels)}",
            f"those of the bundle: {', '.join(bundle.manifest.labels)}",
            "give the endpoint that serves this bundle",
        )
    if endpoint.info.text_pair != bundle.manifest.text_pair:
        kinds = {True: "pairs of texts", False: "single texts"}
        raise UserError(
            f"the endpoint {endpoint.url} is asked {kinds[endpoint.info.text_pair]}",
            f"what the bundle is asked: {kinds[bundle.manifest.text_pair]}",
            "give the endpoint that serves this bundle",
        )
    is_this = endpoint.info.bundle_sha256 == sha256(bundle.folder / MANIFEST)
    return Watched(endpoint, Watch(endpoint.metrics), is_this)


def _free(host: str, port: int) -> int:
    """The port itself, or a free one for 0; raises `UserError` when it cannot be had.

    Gradio would look for the next free port without a word, or say so in an exception of its own.
    """
    with listen(host, port) as probe:
        return int(probe.getsockname()[1])


def _report(path: Path) -> dict[str, object]:
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        document = None
    if not isinstance(document, dict) or document.get("schema") != 1:
        raise BundleError(
            f"{path} is missing or no report of schema 1",
            "the report that `compress run` writes",
            "make the bundle again with `compress run`",
        )
    return document


def _wait() -> None:
    """Return at the first SIGTERM or SIGINT; in a thread, which gets no signals, never."""
    stopped = threading.Event()
    previous = {}
    if threading.current_thread() is threading.main_thread():
        numbers = (signal.SIGTERM, signal.SIGINT)
        previous = {number: signal.signal(number, lambda *_: stopped.set()) for number in numbers}
    try:
        stopped.wait()
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)
