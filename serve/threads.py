"""How many threads this process may really use.

ONNX Runtime counts the machine's cores. In a container with a quota of two processors on a machine of
64 it would start 64 threads, which then wait for one another. So the quota of the control group (version
1 or 2) and the affinity mask are read here and the session is given the number explicitly.
"""

import os
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

CGROUP_ROOT = Path("/sys/fs/cgroup")
MEMBERSHIP = Path("/proc/self/cgroup")


def available_threads(cgroup_root: Path = CGROUP_ROOT, membership: Path = MEMBERSHIP) -> int:
    """Threads worth starting: the allowed cores, or fewer where a quota says so; at least 1.

    A quota of 1.5 processors gives 1: a second thread would only be throttled halfway through its work.
    """
    quota = cpu_quota(cgroup_root, membership)
    cores = affinity()
    return cores if quota is None else max(1, min(cores, int(quota)))


def affinity() -> int:
    """Cores that the scheduler may put this process on."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def cpu_quota(cgroup_root: Path = CGROUP_ROOT, membership: Path = MEMBERSHIP) -> float | None:
    """Processors that the control groups of this process grant, as a fraction; None without a quota.

    A group is bound by every group above it, so the lowest of the chain counts.
    """
    quotas = [
        quota
        for folder in _group_folders(cgroup_root, membership)
        if (quota := _quota_v2(folder) or _quota_v1(folder)) is not None
    ]
    return min(quotas, default=None)


def _group_folders(cgroup_root: Path, membership: Path) -> Iterator[Path]:
    """Every folder that may hold a quota for this process, from its own group up to the root.

    Inside a container the path in `membership` is often the host's and does not exist under the mounted
    root; the chain then still ends at the root, which is the container's own group.
    """
    for line in _text(membership).splitlines():
        number, _, rest = line.partition(":")
        controllers, _, group = rest.partition(":")
        if number == "0" and not controllers:
            roots = [cgroup_root, cgroup_root / "unified"]
        elif "cpu" in controllers.split(","):
            roots = [cgroup_root / controllers, cgroup_root / "cpu"]
        else:
            continue
        below = PurePosixPath(group.lstrip("/"))
        for root in roots:
            for part in (below, *below.parents):
                if ".." not in part.parts:
                    yield root / part


def _quota_v2(folder: Path) -> float | None:
    match _text(folder / "cpu.max").split():
        case [quota, period] if quota.isdigit() and period.isdigit() and int(period) > 0:
            return int(quota) / int(period)
    return None


def _quota_v1(folder: Path) -> float | None:
    quota = _text(folder / "cpu.cfs_quota_us").strip()
    period = _text(folder / "cpu.cfs_period_us").strip()
    # "-1" stands for no limit.
    if quota.isdigit() and period.isdigit() and int(period) > 0:
        return int(quota) / int(period)
    return None


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="ascii")
    except (OSError, UnicodeDecodeError):
        return ""
