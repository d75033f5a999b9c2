"""A bundle that is not exactly what its manifest says is refused, and the message says why."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

import serve
from serve import bundle
from serve.errors import BundleError


def edit(folder: Path, change: Callable[[dict], None]) -> None:
    path = folder / "bundle.json"
    document = json.loads(path.read_text())
    change(document)
    path.write_text(json.dumps(document))


def refusal(folder: Path) -> str:
    with pytest.raises(BundleError) as caught:
        serve.load(folder)
    message = str(caught.value)
    assert "expected:" in message
    assert "to do:" in message
    return message


def test_reads_what_was_made(bundle_copy: Path) -> None:
    found = bundle.read(bundle_copy)
    assert found.manifest.labels == ["negative", "positive"]
    assert len(found.manifest.files) == 6


def test_every_altered_file_is_noticed(bundle_copy: Path) -> None:
    names = list(bundle.read(bundle_copy).manifest.files)
    assert len(names) == 6
    for name in names:
        path = bundle_copy / name
        original = path.read_bytes()
        path.write_bytes(original[:-1] + bytes([original[-1] ^ 1]))
        assert "was altered" in refusal(bundle_copy)
        path.unlink()
        assert "is missing" in refusal(bundle_copy)
        path.write_bytes(original)


def test_soft_link_is_refused(bundle_copy: Path, tmp_path: Path) -> None:
    moved = (bundle_copy / "tokenizer.json").rename(tmp_path / "tokenizer.json")
    (bundle_copy / "tokenizer.json").symlink_to(moved)
    assert "is a link" in refusal(bundle_copy)


def test_linked_folder_is_refused(bundle_copy: Path, tmp_path: Path) -> None:
    moved = (bundle_copy / "onnx").rename(tmp_path / "elsewhere")
    (bundle_copy / "onnx").symlink_to(moved)
    assert "is a link" in refusal(bundle_copy)


def test_hard_link_is_refused(bundle_copy: Path, tmp_path: Path) -> None:
    os.link(bundle_copy / "onnx/model.onnx", tmp_path / "second name")
    assert "hard link" in refusal(bundle_copy)


@pytest.mark.parametrize(
    "name", ["../outside.json", "/etc/hosts.json", "onnx/../../x.json", "a\\b.json", "x.pkl"]
)
def test_paths_that_leave_and_files_that_run_are_refused(bundle_copy: Path, name: str) -> None:
    (bundle_copy.parent / "outside.json").write_text("{}")
    edit(
        bundle_copy, lambda document: document["files"].update({name: {"sha256": "0" * 64, "size_bytes": 2}})
    )
    assert "names the file" in refusal(bundle_copy)


def test_the_model_must_be_among_the_checked_files(bundle_copy: Path) -> None:
    edit(bundle_copy, lambda document: document["files"].pop("onnx/model.onnx"))
    assert "lists no onnx/model.onnx" in refusal(bundle_copy)


def test_unknown_format(bundle_copy: Path) -> None:
    edit(bundle_copy, lambda document: document.update(format=2, new_field=True))
    message = refusal(bundle_copy)
    assert "has format 2" in message
    assert "format 1" in message


def test_unknown_field_and_missing_field(bundle_copy: Path) -> None:
    edit(bundle_copy, lambda document: document.update(extra=1))
    assert "extra" in refusal(bundle_copy)
    edit(bundle_copy, lambda document: (document.pop("extra"), document.pop("labels")))
    assert "labels" in refusal(bundle_copy)


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe"])
def test_broken_manifest(bundle_copy: Path, content: bytes) -> None:
    (bundle_copy / "bundle.json").write_bytes(content)
    assert "bundle.json" in refusal(bundle_copy)


def test_no_bundle_at_all(tmp_path: Path) -> None:
    assert "is not a bundle" in refusal(tmp_path)
    assert "is not a bundle" in refusal(tmp_path / "nowhere")
