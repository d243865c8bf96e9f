"""How many threads a container leaves: control groups as the kernel shows them."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from stylejobs.scoring.cpus import usable_cpus

CPUS = len(os.sched_getaffinity(0))
HALF = "50000 100000"


@pytest.mark.parametrize(
    ("membership", "files", "cpus"),
    [
        ("0::/", {}, CPUS),
        ("0::/", {"cpu.max": "max 100000"}, CPUS),
        ("0::/", {"cpu.max": "100000 100000"}, 1),
        ("0::/", {"cpu.max": HALF}, 1),
        ("0::/", {"cpu.max": "99900000 100000"}, CPUS),
        ("0::/a/b", {"a/cpu.max": HALF, "a/b/cpu.max": "max 100000"}, 1),
        ("0::/on/the/host", {"cpu.max": HALF}, 1),
        ("1:cpu:/", {"cpu/cpu.cfs_quota_us": "-1", "cpu/cpu.cfs_period_us": "100000"}, CPUS),
        (
            "4:cpu,cpuacct:/a\n0::/",
            {"cpu/a/cpu.cfs_quota_us": "150000", "cpu/a/cpu.cfs_period_us": "100000"},
            1,
        ),
        ("3:memory:/", {"cpu.max": HALF}, CPUS),
    ],
)
def test_the_smallest_quota_counts(
    membership: str, files: dict[str, str], cpus: int, tmp_path: Path
) -> None:
    (tmp_path / "proc/self").mkdir(parents=True)
    (tmp_path / "proc/self/cgroup").write_text(membership)
    for name, content in files.items():
        file = tmp_path / "sys/fs/cgroup" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(content)
    assert usable_cpus(tmp_path) == cpus


def test_without_control_groups_the_affinity_counts(tmp_path: Path) -> None:
    assert usable_cpus(tmp_path) == CPUS
