"""The number of threads follows the quota of either version of control groups."""

from pathlib import Path

import pytest

from serve import threads


def group(root: Path, path: str, **files: str) -> None:
    folder = root / path
    folder.mkdir(parents=True, exist_ok=True)
    for name, text in files.items():
        (folder / name.replace("__", ".")).write_text(text + "\n")


def membership(root: Path, text: str) -> Path:
    path = root / "membership"
    path.write_text(text + "\n")
    return path


def test_quota_of_version_2_is_a_fraction(tmp_path: Path) -> None:
    group(tmp_path, "pod/box", cpu__max="150000 100000")
    assert threads.cpu_quota(tmp_path, membership(tmp_path, "0::/pod/box")) == 1.5


def test_the_group_above_binds_too(tmp_path: Path) -> None:
    group(tmp_path, "pod", cpu__max="100000 100000")
    group(tmp_path, "pod/box", cpu__max="400000 100000")
    assert threads.cpu_quota(tmp_path, membership(tmp_path, "0::/pod/box")) == 1.0


def test_quota_of_version_1(tmp_path: Path) -> None:
    group(tmp_path, "cpu,cpuacct/box", cpu__cfs_quota_us="200000", cpu__cfs_period_us="100000")
    lines = "5:memory:/box\n4:cpu,cpuacct:/box\n0::/"
    assert threads.cpu_quota(tmp_path, membership(tmp_path, lines)) == 2.0


def test_a_group_path_of_the_host_falls_back_to_the_mounted_root(tmp_path: Path) -> None:
    group(tmp_path, "", cpu__max="300000 100000")
    assert threads.cpu_quota(tmp_path, membership(tmp_path, "0::/kubepods/unseen")) == 3.0


@pytest.mark.parametrize("text", ["max 100000", "", "-1 100000", "100000 0", "nonsense"])
def test_no_limit_is_no_quota(tmp_path: Path, text: str) -> None:
    group(tmp_path, "", cpu__max=text)
    assert threads.cpu_quota(tmp_path, membership(tmp_path, "0::/")) is None


def test_version_1_without_limit(tmp_path: Path) -> None:
    group(tmp_path, "cpu", cpu__cfs_quota_us="-1", cpu__cfs_period_us="100000")
    assert threads.cpu_quota(tmp_path, membership(tmp_path, "4:cpu:/")) is None


def test_a_path_that_climbs_out_is_not_followed(tmp_path: Path) -> None:
    group(tmp_path, "outside", cpu__max="100000 100000")
    (tmp_path / "root").mkdir()
    assert threads.cpu_quota(tmp_path / "root", membership(tmp_path, "0::/../outside")) is None


def test_a_fraction_is_rounded_down_but_never_to_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(threads, "affinity", lambda: 8)
    for quota, expected in [("150000", 1), ("50000", 1), ("250000", 2), ("9900000", 8), ("max", 8)]:
        group(tmp_path, "", cpu__max=f"{quota} 100000")
        assert threads.available_threads(tmp_path, membership(tmp_path, "0::/")) == expected


def test_this_machine_gives_a_number() -> None:
    assert 1 <= threads.available_threads() <= threads.affinity()
