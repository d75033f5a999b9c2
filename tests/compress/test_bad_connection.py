"""A Hub that does not answer is said soon, and with what to do without it."""

import socket
import time
from pathlib import Path

import pytest
from mistakes import require, run_refused
from tiny import tiny_recipe


@pytest.mark.parametrize("answers", [False, True], ids=["refused", "silent"])
@pytest.mark.parametrize(("part", "key"), [("data", "path"), ("teacher", "model")], ids=["data", "teacher"])
def test_an_unreachable_hub_is_said_within_ten_seconds(
    answers: bool,
    part: str,
    key: str,
    tiny_data: Path,
    tiny_encoder: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from huggingface_hub import constants

    recipe = tiny_recipe(tiny_data, tiny_encoder)
    recipe[part][key] = "owner/tickets"
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
        if not answers:
            listener.close()
        monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
        start = time.monotonic()
        message = run_refused(recipe, tmp_path)
        assert time.monotonic() - start < 10
    require(message, "owner/tickets", "cannot be reached", "local copy")
