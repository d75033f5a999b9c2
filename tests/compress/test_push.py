"""`compress push` against a Hub on this machine, through the real client: what arrives is a bundle."""

import json
import shutil
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from full_report import full_report
from hub import OWNER, TOKEN, Hub, running_hub
from huggingface_hub import ModelCard, constants
from mistakes import complaint, require
from packed import hash_again
from typer.testing import CliRunner

import serve
from compress.card import model_card
from compress.cli import app
from compress.judge.report import Report
from serve.bundle import MANIFEST, read, sha256

REPO = f"{OWNER}/tickets"


@pytest.fixture(scope="module")
def bundle(bundle_folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A bundle whose card is one that a run writes."""
    folder = shutil.copytree(bundle_folder, tmp_path_factory.mktemp("pushed") / "bundle")
    report = Report.model_validate_json((folder / "report.json").read_text())
    (folder / "README.md").write_text(model_card("tickets", report))
    manifest = json.loads((folder / MANIFEST).read_text())
    manifest["files"]["README.md"] = {}
    (folder / MANIFEST).write_text(json.dumps(manifest))
    hash_again(folder)
    return folder


@pytest.fixture
def hub(monkeypatch: pytest.MonkeyPatch) -> Iterator[Hub]:
    with running_hub() as running:
        monkeypatch.setattr(constants, "ENDPOINT", running.url)
        monkeypatch.setattr(constants, "HF_HUB_DISABLE_XET", True)
        monkeypatch.setenv("HF_TOKEN", TOKEN)
        yield running


def pushed(*arguments: str) -> str:
    done = CliRunner().invoke(app, ["push", *arguments], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return " ".join(done.output.split())


def test_what_arrives_is_the_bundle_without_peoples_texts(bundle: Path, hub: Hub, tmp_path: Path) -> None:
    said = pushed(str(bundle), REPO)
    assert f"{hub.url}/{REPO}/commit/" in said
    assert "evaluation.jsonl stays here" in said
    arrived = read(hub.write(REPO, tmp_path / "clone"))
    sent, kept = read(bundle).manifest, arrived.manifest
    assert set(sent.files) - set(kept.files) == {"evaluation.jsonl"}
    assert set(hub.repos[REPO]["main"]) == {*kept.files, MANIFEST, ".gitattributes"}
    for name, entry in kept.files.items():
        assert hub.repos[REPO]["main"][name] == (bundle / name).read_bytes()
        assert sent.files[name] == entry
    assert kept == sent.model_copy(update={"files": kept.files})
    answers = [serve.load(folder, threads=1).predict(["a good film"]) for folder in (bundle, arrived.folder)]
    assert answers[0] == answers[1]
    assert hub.large.keys() == {sha256(bundle / "onnx" / "model.onnx")}
    assert hub.private[REPO] is False
    assert hub.commits == ["tiny-sentiment: pass"]


def test_rows_travel_where_they_are_asked_for_and_go_where_they_are_not(
    bundle: Path, hub: Hub, tmp_path: Path
) -> None:
    pushed(str(bundle), REPO, "--with-rows", "--private", "--revision", "candidate")
    assert hub.private[REPO] is True
    assert set(hub.repos[REPO]["main"]) == {".gitattributes"}
    with_rows = read(hub.write(REPO, tmp_path / "with", "candidate"))
    assert with_rows.manifest == read(bundle).manifest
    pushed(str(bundle), REPO, "--revision", "candidate")
    assert "evaluation.jsonl" not in hub.repos[REPO]["candidate"]
    read(hub.write(REPO, tmp_path / "without", "candidate"))


def test_a_dry_run_sends_nothing_and_says_what_it_would(bundle: Path, hub: Hub) -> None:
    said = pushed(str(bundle), REPO, "--dry-run", "--private")
    assert hub.asked == []
    listed = read(bundle).manifest.files
    for name in set(listed) - {"evaluation.jsonl"}:
        assert f"{name} {listed[name].size_bytes / 1e6:.3f}" in said
    assert "bundle.json" in said
    assert f"to {REPO}, private" in said
    assert "Nothing was sent" in said


def test_a_private_push_into_a_public_repository_is_refused(bundle: Path, hub: Hub) -> None:
    pushed(str(bundle), REPO)
    before = dict(hub.repos[REPO]["main"])
    require(
        complaint("push", str(bundle), REPO, "--private", "--with-rows"), "everyone can read it", "--private"
    )
    assert hub.repos[REPO]["main"] == before


def test_the_hubs_refusals_are_one_message(bundle: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch) -> None:
    require(complaint("push", str(bundle), "others/tickets"), "may not write to others/tickets", "rights")
    require(complaint("push", str(bundle), "a/b/c"), "no name of a repository", "owner/name")
    hub.breaks = "/large/"
    require(complaint("push", str(bundle), REPO), "the storage is full", "to do:")
    assert set(hub.repos[REPO]["main"]) == {".gitattributes"}  # all or nothing
    monkeypatch.setenv("HF_TOKEN", "hf_of_yesterday")
    require(complaint("push", str(bundle), REPO), "does not know this token", "hf auth login")
    monkeypatch.delenv("HF_TOKEN")
    monkeypatch.setattr(constants, "HF_TOKEN_PATH", str(bundle / "no token"))
    require(complaint("push", str(bundle), REPO), "no token", "HF_TOKEN")


def test_an_altered_bundle_is_not_sent(bundle: Path, hub: Hub, tmp_path: Path) -> None:
    folder = shutil.copytree(bundle, tmp_path / "altered")
    (folder / "report.json").write_text("{}")
    require(complaint("push", str(folder), REPO), "report.json was altered")
    assert hub.asked == []


def test_a_hub_that_does_not_answer_is_said_soon(
    bundle: Path, hub: Hub, monkeypatch: pytest.MonkeyPatch
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    monkeypatch.setattr(constants, "ENDPOINT", f"http://127.0.0.1:{port}")
    start = time.monotonic()
    require(complaint("push", str(bundle), REPO), "cannot be reached", "HF_ENDPOINT")
    assert time.monotonic() - start < 20


@pytest.mark.parametrize("model", ["owner/model", "../shared/model"])
def test_the_card_is_one_that_the_hub_reads_and_gives_back(hub: Hub, model: str) -> None:
    data = {"path": "owner/tickets", "name": "all", "splits": {"test": "held-out"}}
    recipe = {"data": data, "teacher": {"model": model}, "student": {"layers": 3}}
    report = full_report(recipe=recipe)
    text = model_card("tickets", report)
    card = ModelCard(text)
    assert str(card) == text
    card.validate()
    assert hub.asked == ["POST /api/validate-yaml"]
    assert card.data.base_model == (["owner/model"] if model == "owner/model" else None)
    assert card.data.datasets == ["owner/tickets"]
    assert card.data.metrics == ["f1"]
    assert card.data.tags == ["onnx", "int8", "knowledge-distillation", "compress-toolchain"]
    assert card.data.language is None
    results = {one.metric_type: one for one in card.data.eval_results}
    assert results["f1"].metric_value == report.models[-1].score
    assert (results["f1"].dataset_config, results["f1"].dataset_split) == ("all", "held-out")


def test_a_local_file_is_no_data_set_of_the_hub() -> None:
    for path in ("data/tickets.csv", "/home/someone/tickets", "builtin:support-desk", "tickets.csv"):
        card = ModelCard(model_card("x", full_report(recipe={"data": {"path": path}})))
        assert card.data.datasets is None
        assert "/home" not in str(card.data.to_dict())
