"""The cache on disk: faster, and never a reason for another result or a failure."""

from __future__ import annotations

import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from stylejobs.scoring import cache
from stylejobs.scoring.network import TransformerNet
from stylejobs.scoring.openvino_backend import OpenVINOScorer
from stylejobs.scoring.weights import StyleWeights, load_weights
from stylejobs_tests.conftest import random_weights

NAME = "0" * 64 + ".test"


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("STYLEJOBS_CACHE", str(tmp_path / "cache"))
    return tmp_path / "cache"


def painted(weights: StyleWeights, height: int = 32) -> np.ndarray:
    frame = np.random.default_rng(0).integers(0, 256, (1, height, 48, 3), np.uint8)
    pictures = OpenVINOScorer(weights, height, 48)(frame).pictures
    assert pictures is not None
    return pictures


def test_what_is_stored_is_loaded() -> None:
    assert cache.load(NAME) is None
    cache.store(NAME, b"content")
    assert cache.load(NAME) == b"content"


@pytest.mark.parametrize("content", [b"", b"x" * 31, b"x" * 40])
def test_a_damaged_file_counts_as_absent(content: bytes, folder: Path) -> None:
    cache.store(NAME, b"content")
    (folder / NAME).write_bytes(content)
    assert cache.load(NAME) is None


def test_the_users_cache_folder_is_the_default(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("STYLEJOBS_CACHE")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert cache.cache_folder() == tmp_path / "stylejobs"
    assert (tmp_path / "stylejobs").stat().st_mode & 0o077 == 0


def test_where_nothing_can_be_written_nothing_fails(
    style_file: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_bytes(b"")
    monkeypatch.setenv("STYLEJOBS_CACHE", str(tmp_path / "file" / "folder"))
    cache.store(NAME, b"content")
    assert cache.load(NAME) is None
    assert painted(load_weights(style_file)).std() > 0


def test_only_the_files_last_used_are_kept(folder: Path) -> None:
    cache.store(NAME, b"in use")
    (folder / "notes.txt").write_text("not ours")
    for n in range(1, 80):
        time.sleep(0.001)
        cache.store(f"{n:064x}.test", b"content")
        cache.load(NAME)
    names = sorted(file.name for file in folder.iterdir())
    assert len(names) == 65
    assert {NAME, "notes.txt", f"{79:064x}.test"} <= set(names)


def test_a_network_from_the_cache_paints_the_same(style_file: Path, folder: Path) -> None:
    weights = load_weights(style_file)
    first = painted(weights)
    stored = {file: file.stat().st_ino for file in folder.glob("*.openvino")}
    assert len(stored) == 1
    assert np.array_equal(painted(weights), first)
    assert {file: file.stat().st_ino for file in folder.glob("*.openvino")} == stored


def test_another_size_or_other_weights_are_another_network(
    style_file: Path, folder: Path, tmp_path: Path
) -> None:
    weights = load_weights(style_file)
    painted(weights)
    painted(weights, height=36)
    other = StyleWeights("other", random_weights(seed=1), weights.digest, {})
    painted(other)
    assert len(list(folder.glob("*.openvino"))) == 3


def test_a_stored_network_that_openvino_cannot_read_is_made_anew(
    style_file: Path, folder: Path
) -> None:
    weights = load_weights(style_file)
    first = painted(weights)
    (stored,) = folder.glob("*.openvino")
    cache.store(stored.name, b"of a version that nobody knows")
    assert np.array_equal(painted(weights), first)


def test_processes_that_start_together_share_the_cache(style_file: Path, folder: Path) -> None:
    code = (
        "import sys; from pathlib import Path; from stylejobs.scoring.weights import load_weights\n"
        "from stylejobs.scoring.backends import create_scorer\n"
        "create_scorer(load_weights(Path(sys.argv[1])), 32, 48, 'cpu')"
    )
    command = [sys.executable, "-c", code, str(style_file)]
    children = [subprocess.Popen(command) for _ in range(3)]
    assert [child.wait(60) for child in children] == [0, 0, 0]
    assert len(list(folder.iterdir())) == 1


def test_a_checkpoint_loads_without_torch_the_second_time(tmp_path: Path, folder: Path) -> None:
    file = tmp_path / "style.pth"
    net = TransformerNet(4)
    torch.save(net.state_dict(), file)
    first = load_weights(file)
    assert len(list(folder.glob("*.safetensors"))) == 1
    code = (
        "import sys; from pathlib import Path; from stylejobs.scoring.weights import load_weights\n"
        "print(load_weights(Path(sys.argv[1])).digest, 'torch' in sys.modules)"
    )
    child = subprocess.run(
        [sys.executable, "-c", code, str(file)], capture_output=True, text=True, check=True
    )
    assert child.stdout.split() == [first.digest, "False"]
    again = load_weights(file)
    for name, tensor in first.tensors.items():
        assert np.array_equal(again.tensors[name], tensor)
