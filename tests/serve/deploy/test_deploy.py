"""What is true of every platform: whole or not there, and nothing in it that a name or an option put there."""

import os
import shutil
import stat
from dataclasses import fields
from pathlib import Path

import pytest
from deployed import alter

from serve.bundle import read
from serve.deploy import TARGETS, Docker, KServe, Ray, deploy, target
from serve.errors import UserError

NAMES = [
    'x"; RUN id',
    "x\nRUN id",
    "$(id)",
    "${HOME}",
    "&anchor",
    "*alias",
    "!!python/object",
    "a/b",
    "..",
    ".",
    "x" * 65,
    "näme",
    " x",
    "{{.Name}}",
    "",
]


@pytest.mark.parametrize("kind", TARGETS)
@pytest.mark.parametrize("name", NAMES)
def test_a_name_that_could_mean_more_is_refused(
    bundle_folder: Path, tmp_path: Path, kind: str, name: str
) -> None:
    with pytest.raises(UserError, match="--name NAME"):
        deploy(bundle_folder, target(kind), tmp_path / "out", name)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("kind", TARGETS)
def test_the_name_in_a_bundle_is_not_trusted_either(bundle_copy: Path, tmp_path: Path, kind: str) -> None:
    alter(bundle_copy, name='x"\nRUN id')
    with pytest.raises(UserError, match="--name NAME"):
        deploy(bundle_copy, target(kind), tmp_path / "out")
    deploy(bundle_copy, target(kind), tmp_path / "out", "good")


@pytest.mark.parametrize("name", ["Upper", "a_b", "1st", "a.b", "a-", "a" * 54])
def test_kubernetes_takes_fewer_names(bundle_folder: Path, tmp_path: Path, name: str) -> None:
    with pytest.raises(UserError, match="small letters"):
        deploy(bundle_folder, KServe(), tmp_path / "out", name)


@pytest.mark.parametrize("image", ["", "a b", "x\nUSER root", 'x"', "-x", "$(id)", "x" * 256])
@pytest.mark.parametrize("kind", ["docker", "kserve"])
def test_an_image_is_a_reference(kind: str, image: str) -> None:
    with pytest.raises(UserError, match="--image"):
        target(kind, image=image)


@pytest.mark.parametrize("uri", ["models", "s3://a b", "s3://a\nx: y", "s3://a'", 's3://"', "s3://"])
def test_a_storage_uri_is_one(uri: str) -> None:
    with pytest.raises(UserError, match="--storage-uri"):
        target("kserve", storage_uri=uri)


@pytest.mark.parametrize("name", ["compress_toolchain-1-py3-none-any.whl", 'compress_toolchain-1"\nx.whl'])
def test_a_wheel_is_ours(tmp_path: Path, name: str) -> None:
    wheel = tmp_path / name
    for content in (None, b"no archive"):
        if content is not None:
            wheel.write_bytes(content)
        with pytest.raises(UserError, match="pip wheel"):
            Docker(wheel=wheel)


def test_each_option_is_its_platforms_alone() -> None:
    known = {option: [kind for kind, one in TARGETS.items() if has(one, option)] for option in OPTIONS}
    assert known == {"image": ["kserve", "docker"], "storage_uri": ["kserve"], "wheel": ["docker"]}
    for option, kinds in known.items():
        for kind in set(TARGETS) - set(kinds):
            with pytest.raises(UserError, match=f"with --to {kind}"):
                target(kind, **{option: "x"})


OPTIONS = ("image", "storage_uri", "wheel")


def has(kind: type, option: str) -> bool:
    return option in {field.name for field in fields(kind)}


@pytest.mark.parametrize("kind", TARGETS)
def test_a_broken_off_export_leaves_nothing(
    bundle_folder: Path, tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    writes = 0

    def full(self: Path, *given: object, **named: object) -> int:
        nonlocal writes
        writes += 1
        if writes == 2:
            raise OSError(28, "No space left on device")
        return write_text(self, *given, **named)

    write_text = Path.write_text
    monkeypatch.setattr(Path, "write_text", full)
    with pytest.raises(UserError, match="No space left"):
        deploy(bundle_folder, target(kind), tmp_path / "out")
    assert writes == 2
    assert list(tmp_path.iterdir()) == []


def test_nothing_that_is_there_is_replaced(bundle_folder: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    deploy(bundle_folder, Ray(), out)
    before = sorted(path.name for path in out.iterdir())
    with pytest.raises(UserError, match="exists"):
        deploy(bundle_folder, Ray(), out)
    assert sorted(path.name for path in out.iterdir()) == before
    (tmp_path / "empty").mkdir()
    deploy(bundle_folder, Ray(), tmp_path / "empty")
    link = tmp_path / "link"
    link.symlink_to(tmp_path / "nowhere")
    with pytest.raises(UserError, match="exists"):
        deploy(bundle_folder, Ray(), link)


def test_an_altered_bundle_goes_nowhere(bundle_copy: Path, tmp_path: Path) -> None:
    (bundle_copy / "tokenizer.json").write_text("{}")
    with pytest.raises(UserError, match="altered"):
        deploy(bundle_copy, Ray(), tmp_path / "out")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("kind", ["ray", "docker", "spaces"])
def test_the_bundle_inside_is_one_and_nothing_else_of_its_folder(
    bundle_copy: Path, tmp_path: Path, kind: str
) -> None:
    (bundle_copy / ".env").write_text("SECRET=1")
    deploy(bundle_copy, target(kind), tmp_path / "out")
    inside = tmp_path / "out" / "bundle"
    assert read(inside).manifest == read(bundle_copy).manifest
    assert not (inside / ".env").exists()


@pytest.mark.skipif(os.name != "posix", reason="modes are POSIX's")
def test_others_can_read_it(bundle_folder: Path, tmp_path: Path) -> None:
    """In a container, somebody else does."""
    before = os.umask(0o077)
    try:
        deploy(bundle_folder, Docker(), tmp_path / "out")
    finally:
        os.umask(before)
    found = {stat.S_IMODE(path.stat().st_mode) for path in [tmp_path / "out", *(tmp_path / "out").rglob("*")]}
    assert found == {0o755, 0o644}


def test_the_templates_are_all_used(bundle_folder: Path, lone_bundle: Path, tmp_path: Path) -> None:
    used = set()
    for kind in TARGETS:
        for number, bundle in enumerate((bundle_folder, lone_bundle)):
            out = tmp_path / f"{kind}{number}"
            deploy(bundle, target(kind), out)
            used |= {(kind, path.name.lstrip(".")) for path in out.rglob("*")}
            shutil.rmtree(out / "serve", ignore_errors=True)
    folder = Path(__file__).parents[3] / "serve/deploy/templates"
    shipped = {(path.parent.name, path.name) for path in folder.rglob("*") if path.is_file()}
    models = {("triton", f"{name}.py") for name in ("tokens", "rows", "labels")}  # each there as model.py
    assert {one for one in shipped if "__pycache__" not in one} - models <= used
