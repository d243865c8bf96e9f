"""The Dockerfile: clean, small, without root, with entry points that exist."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

from stylejobs_tests.deploy.installation import DEPLOY

ROOT = DEPLOY.parent
DOCKERFILE = DEPLOY / "docker" / "Dockerfile"
TEXT = DOCKERFILE.read_text().replace("\\\n", " ")


def test_the_linter_has_nothing_to_say() -> None:
    hadolint = shutil.which("hadolint", path=str(Path(sys.executable).parent))
    assert hadolint, "hadolint is not installed beside this Python"
    verdict = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert verdict.returncode == 0, verdict.stdout


def test_every_install_keeps_to_the_tested_versions() -> None:
    installs = [line for line in TEXT.splitlines() if "pip install" in line]
    assert len(installs) == 4
    assert all("--constraint constraints.txt" in line for line in installs)


def test_what_is_copied_in_is_let_through_and_is_all_that_an_install_needs() -> None:
    ignored = (ROOT / ".dockerignore").read_text().splitlines()
    assert ignored[1] == "*"
    let_in = {line[1:] for line in ignored if line.startswith("!")}
    assert all((ROOT / name).exists() for name in let_in)
    assert {"constraints.txt", "setup.cfg", "pyproject.toml", "stylejobs"} <= let_in
    assert {"README.md", "LICENSE"} <= let_in  # setup.cfg names them


def test_both_images_run_as_an_ordinary_user_from_a_pinned_base() -> None:
    stages = re.split(r"^FROM ", TEXT, flags=re.MULTILINE)[1:]
    for name in ("cpu", "cuda"):
        (stage,) = [s for s in stages if s.splitlines()[0].endswith(f" AS {name}")]
        assert re.findall(r"^USER (.*)", stage, re.MULTILINE) == ["10001:10001"]
    bases = {stage.split()[0] for stage in stages}
    assert {base for base in bases if ":" in base} == {"python:3.11.14-slim-bookworm"}


def test_the_command_and_the_health_check_are_dagsters() -> None:
    commands = [json.loads(each) for each in re.findall(r"CMD (\[.*\])", TEXT)]
    assert [command[:3] for command in commands] == [
        ["dagster", "api", "grpc"],
        ["dagster", "api", "grpc-health-check"],
    ]
    for command in commands:
        # Everything but the options is a command that shows help.
        words = [w for w in command[: command.index("--port")] if not w.startswith("-")]
        words = [w for w in words if w != "0.0.0.0"]
        shown = subprocess.run(
            [sys.executable, "-m", *words, "--help"], capture_output=True, text=True, check=False
        )
        assert shown.returncode == 0, shown.stderr
        assert all(w in shown.stdout for w in command if w.startswith("--"))
