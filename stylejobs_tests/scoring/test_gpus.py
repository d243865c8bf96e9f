"""Which GPU a process takes, when several run on one machine."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from stylejobs.scoring.gpus import own_gpu

CODE = (
    "import sys; from pathlib import Path; from stylejobs.scoring.gpus import claim\n"
    "print(claim(['a', 'b'], Path(sys.argv[1])), flush=True)\n"
    "sys.stdin.readline()"
)


def process(folder: Path) -> subprocess.Popen[str]:
    pipe = subprocess.PIPE
    return subprocess.Popen(
        [sys.executable, "-c", CODE, str(folder)], stdin=pipe, stdout=pipe, text=True
    )


def claimed(child: subprocess.Popen[str]) -> str:
    assert child.stdout is not None
    return child.stdout.readline().strip()


def test_each_process_takes_a_gpu_of_its_own_and_frees_it_when_it_ends(tmp_path: Path) -> None:
    first, second = process(tmp_path), process(tmp_path)
    assert {claimed(first), claimed(second)} == {"0", "1"}
    with process(tmp_path) as third:
        assert claimed(third) == "None"
        third.communicate("\n")
    second.kill()
    second.communicate()
    with process(tmp_path) as fourth:
        assert claimed(fourth) in ("0", "1")
        fourth.communicate("\n")
    first.communicate("\n")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root opens any file")
def test_a_lock_of_another_user_counts_as_held(tmp_path: Path) -> None:
    (tmp_path / "stylejobs-gpu-a.lock").touch(mode=0o000)
    with process(tmp_path) as child:
        assert claimed(child) == "1"
        child.communicate("\n")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_the_choice_is_one_of_the_visible_and_stays() -> None:
    assert own_gpu() in range(torch.cuda.device_count())
    assert own_gpu() == own_gpu()
