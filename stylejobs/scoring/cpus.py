"""How many CPUs a process may use, inside a container too."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path


def usable_cpus(root: Path = Path("/")) -> int:
    """CPUs that this process may use: its affinity, cut by the quotas of its control groups.

    Args:
        root: where ``proc`` and ``sys`` are mounted.
    """
    cpus = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    return max(1, min([cpus, *_quotas(root)]))


def _quotas(root: Path) -> Iterator[int]:
    """Whole CPUs that the process's control group and each above it allow (cgroup v1 and v2)."""
    try:
        memberships = (root / "proc/self/cgroup").read_text().splitlines()
    except OSError:  # no Linux
        return
    for membership in memberships:
        _, controllers, group = membership.split(":", 2)
        if not controllers:
            mount, read = root / "sys/fs/cgroup", _quota_v2
        elif "cpu" in controllers.split(","):
            mount, read = root / "sys/fs/cgroup/cpu", _quota_v1
        else:
            continue
        # A container may see its own group as the mount's root while the kernel names the
        # host's path: what does not exist here is passed over.
        innermost = mount / group.lstrip("/")
        for folder in (innermost, *innermost.parents):
            if not folder.is_relative_to(mount):
                break
            try:
                yield read(folder)
            except (OSError, ValueError):  # no such group, or "max": no quota
                continue


def _quota_v2(folder: Path) -> int:
    quota, period = (folder / "cpu.max").read_text().split()
    return int(quota) // int(period)


def _quota_v1(folder: Path) -> int:
    quota = int((folder / "cpu.cfs_quota_us").read_text())
    if quota < 0:
        raise ValueError("no quota")
    return quota // int((folder / "cpu.cfs_period_us").read_text())
