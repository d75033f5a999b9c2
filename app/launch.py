"""From a bundle's folder, or from a page, to a page in the browser."""

import json
import signal
import threading
from collections.abc import Callable
from pathlib import Path

import gradio as gr
from starlette.middleware import Middleware

from app.evaluation import read_rows
from app.page import build_page
from app.styles import CSS, theme
from serve.bundle import EVALUATION, REPORT, read
from serve.errors import BundleError
from serve.guard import Guard, is_loopback
from serve.listening import check_host, listen
from serve.predictor import Predictor
from serve.runtime import OnnxRuntime


def show(
    bundle: Path,
    *,
    teacher: Predictor | None = None,
    host: str = "127.0.0.1",
    port: int = 7860,
    threads: int | None = None,
    insecure: bool = False,
    ready: Callable[[str], None] | None = None,
) -> None:
    """Show a bundle's student beside its teacher until SIGTERM or SIGINT.

    Without a `teacher` its stored answers are shown. `ready` is called with the URL once the page can be
    opened; port 0 takes a free port. Raises `UserError` and `BundleError`.
    """
    check_host(host, insecure=insecure)
    checked = read(bundle)
    student = OnnxRuntime(checked, threads)
    rows = read_rows(bundle / EVALUATION)
    page = build_page(student, teacher, _report(bundle / REPORT), rows, title=checked.manifest.name)
    url = launch(page, host=host, port=port, insecure=insecure)
    try:
        if ready is not None:
            ready(url)
        _wait()
    finally:
        page.close(verbose=False)


def launch(page: gr.Blocks, *, host: str = "127.0.0.1", port: int = 7860, insecure: bool = False) -> str:
    """Serve the page from a thread of this process; returns its URL.

    Nothing is shared, counted or fetched from elsewhere. Raises `UserError` for a host that others reach,
    unless `insecure`, and for a port that is taken. `page.close()` ends it.
    """
    check_host(host, insecure=insecure)
    page.queue(max_size=32)
    # Gradio by itself answers any Host and any Origin.
    guard = Middleware(Guard, loopback=is_loopback(host))
    _, url, _ = page.launch(
        server_name=host,
        server_port=_free(host, port),
        prevent_thread_lock=True,
        share=False,
        quiet=True,
        theme=theme(),
        css=CSS,
        footer_links=["api"],
        ssr_mode=False,
        strict_cors=True,
        enable_monitoring=False,
        max_file_size="1kb",  # nothing is uploaded here
        app_kwargs={"middleware": [guard]},
    )
    return url.rstrip("/")


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
