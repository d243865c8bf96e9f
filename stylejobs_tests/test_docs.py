"""The documents say what is true: commands run, settings and links are there."""

from __future__ import annotations

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from stylejobs import reference
from stylejobs.config import Settings

ROOT = Path(__file__).parents[1]
DOCUMENTS = [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))]
# Commands that other tests run, or that need what a test has not: a phone book of exceptions, so
# that a new command is either run here or named here.
ELSEWHERE = {
    "make demo": "installs; its program is run by test_live and by hand",
    "make test": "runs this",
    "make dev": "its program is run by the live tests",
    "make benchmark": "minutes",
    ".venv/bin/stylejobs bench": "a minute; test_bench runs it on a small clip",
    "stylejobs doctor": "test_doctor, where a fault is no failure",
    ".venv/bin/stylejobs doctor": "the same",
    ".venv/bin/stylejobs train": "needs VGG16's weights; training/test_commands runs it",
    ".venv/bin/stylejobs evaluate": "the same",
}
NEEDS_MORE = ("pip install", "python -m stylejobs.training", "python -m benchmarks")


def commands(language: str) -> Iterator[tuple[str, str]]:
    for document in DOCUMENTS:
        for block in re.findall(rf"^```{language}\n(.*?)^```", document.read_text(), re.M | re.S):
            lines = ""
            for line in block.splitlines():
                lines += line.partition("  #")[0].rstrip() + "\n"
                if lines.count("'") % 2 == 0:  # else the command goes on in the next line
                    if command := lines.strip():
                        yield document.name, command
                    lines = ""


def is_elsewhere(command: str) -> bool:
    return any(command.startswith(known) for known in ELSEWHERE) or any(
        part in command for part in NEEDS_MORE
    )


RUN = [pair for pair in commands("sh(?:ell)?") if not is_elsewhere(pair[1])]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A folder in which the documents' commands find what they name."""
    for name in ("docs", "deploy", "stylejobs"):
        (tmp_path / name).symlink_to(ROOT / name)
    programs = tmp_path / ".venv" / "bin"
    programs.mkdir(parents=True)
    main = f"#!{sys.executable}\nimport sys\nfrom stylejobs.cli import main\nsys.exit(main())\n"
    (programs / "stylejobs").write_text(main)
    (programs / "stylejobs").chmod(0o755)
    (programs / "python").symlink_to(sys.executable)
    (tmp_path / "dagster").mkdir()
    return tmp_path


@pytest.mark.parametrize(("document", "command"), RUN)
def test_a_command_of_the_documents_runs(
    document: str, command: str, checkout: Path, clip: object
) -> None:
    if "docs/configuration.md" in command:
        (checkout / "docs").unlink()
        (checkout / "docs").mkdir()
    for name in re.findall(r"\b[\w-]+\.mp4\b", command):
        assert callable(clip)
        shutil.copyfile(clip("single_frame.mp4"), checkout / name)
    programs = [checkout / ".venv" / "bin", Path(sys.executable).parent, os.environ["PATH"]]
    done = subprocess.run(
        ["bash", "-euc", command],
        cwd=checkout,
        env={
            **os.environ,
            "PATH": ":".join(map(str, programs)),
            "PYTHONPATH": str(ROOT),
            "DAGSTER_HOME": str(checkout / "dagster"),
        },
        capture_output=True,
        text=True,
        check=False,
    )
    compares = shlex.split(command)[:2] == [".venv/bin/stylejobs", "verify"]
    assert done.returncode == 0 or compares, done.stderr[-2000:]
    assert "Traceback" not in done.stderr


def test_the_reference_of_the_settings_is_up_to_date() -> None:
    written = (ROOT / "docs" / "configuration.md").read_text()
    assert written == reference.as_markdown(), "write it anew: see docs/extend.md"


def test_every_setting_is_documented_and_every_documented_one_exists() -> None:
    described = {name for fields, _ in reference.documented() for name in fields}
    assert described == Settings.model_fields.keys()
    named = {
        name
        for document in DOCUMENTS
        for name in re.findall(r"STYLEJOBS_([A-Z][A-Z_]*[A-Z])\b", document.read_text())
    }
    assert {name.lower() for name in named} <= Settings.model_fields.keys()


@pytest.mark.parametrize("document", DOCUMENTS, ids=lambda path: path.name)
def test_links_and_pictures_lead_somewhere(document: Path) -> None:
    for target in re.findall(r"\]\(([^)#]+)\)", document.read_text()):
        if not target.startswith("http"):
            assert (document.parent / target).exists(), target
