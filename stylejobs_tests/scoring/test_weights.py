"""Which files are styles, and that no file is ever run as code."""

from __future__ import annotations

import os
import pickle
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from stylejobs.scoring import weights as weights_module
from stylejobs.scoring.network import TransformerNet
from stylejobs.scoring.weights import UnusableStyle, expected_shapes, load_weights, shipped_styles
from stylejobs_tests.conftest import random_weights

WIDTH = 4


def refusal(path: Path) -> str:
    with pytest.raises(UnusableStyle) as caught:
        load_weights(path)
    assert path.name in str(caught.value)
    return str(caught.value)


def test_the_expected_tensors_are_those_of_the_network() -> None:
    state = TransformerNet(WIDTH).state_dict()
    assert {name: tuple(v.shape) for name, v in state.items()} == expected_shapes(WIDTH)


def test_a_style_file_gives_its_weights_and_its_story(style_file: Path) -> None:
    style = load_weights(style_file)
    assert (style.name, style.width) == ("random", WIDTH)
    assert style.about["title"] == "Noise"
    for name, tensor in random_weights().items():
        assert np.array_equal(style.tensors[name], tensor)


def test_half_precision_files_load_as_fp32(tmp_path: Path) -> None:
    file = tmp_path / "half.safetensors"
    save_file({name: v.astype(np.float16) for name, v in random_weights().items()}, file)
    assert {v.dtype for v in load_weights(file).tensors.values()} == {np.dtype(np.float32)}


@pytest.mark.parametrize("legacy", [False, True])
@pytest.mark.parametrize("zipped", [False, True])
def test_published_checkpoints_load_as_they_are(legacy: bool, zipped: bool, tmp_path: Path) -> None:
    """As torch writes them today, and as torch 0.4 did, with statistics that nothing uses."""
    net = TransformerNet(WIDTH)
    state: dict[str, Any] = dict(net.state_dict())
    if legacy:
        for name in [name for name in state if name.endswith(".weight") and "in" in name]:
            if state[name].ndim == 1:
                channels = len(state[name])
                stem = name.removesuffix("weight")
                state[f"{stem}running_mean"] = torch.zeros(channels)
                state[f"{stem}running_var"] = torch.ones(channels)
                state[f"{stem}num_batches_tracked"] = torch.tensor(0)
    file = tmp_path / "published.pth"
    torch.save(state, file, _use_new_zipfile_serialization=zipped)
    style = load_weights(file)
    assert {name: v.shape for name, v in style.tensors.items()} == expected_shapes(WIDTH)
    assert np.array_equal(style.tensors["conv1.conv2d.weight"], net.conv1.conv2d.weight.detach())


class Payload:
    """Unpickling this makes a folder."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def __reduce__(self) -> tuple[Any, ...]:
        return os.mkdir, (str(self.path),)


@pytest.mark.parametrize("name", ["evil.pth", "evil.pt", "evil.model", "evil.safetensors"])
def test_a_pickle_that_runs_code_is_refused_and_not_run(name: str, tmp_path: Path) -> None:
    trap = tmp_path / "it_ran"
    plain, saved = tmp_path / "plain" / name, tmp_path / "saved" / name
    for file in (plain, saved):
        file.parent.mkdir()
    plain.write_bytes(pickle.dumps({"conv1.conv2d.bias": Payload(trap)}))
    torch.save({"conv1.conv2d.bias": Payload(trap)}, saved)
    for file in (plain, saved):
        refusal(file)
        assert not trap.exists()


def test_a_whole_pickled_network_is_refused(tmp_path: Path) -> None:
    torch.save(TransformerNet(WIDTH), tmp_path / "net.pth")
    refusal(tmp_path / "net.pth")


@pytest.mark.parametrize("suffix", [".pth", ".safetensors", ".pt", ".model"])
@pytest.mark.parametrize("content", [b"", b"x", os.urandom(5000), b"PK\x03\x04" + bytes(500)])
def test_files_that_are_no_weights_are_refused(content: bytes, suffix: str, tmp_path: Path) -> None:
    file = tmp_path / f"noise{suffix}"
    file.write_bytes(content)
    refusal(file)


@pytest.mark.parametrize("value", [[torch.ones(3)], torch.ones(3), 7, {"a": 1}, {1: torch.ones(3)}])
def test_checkpoints_of_something_else_are_refused(value: Any, tmp_path: Path) -> None:
    torch.save(value, tmp_path / "other.pth")
    refusal(tmp_path / "other.pth")


@pytest.mark.parametrize("zipped", [False, True])
def test_damaged_checkpoints_are_refused_however_torch_fails(zipped: bool, tmp_path: Path) -> None:
    """Torch's reader answers damage with KeyError, AssertionError, TypeError and others."""
    file = tmp_path / "damaged.pth"
    torch.save(TransformerNet(1).state_dict(), file, _use_new_zipfile_serialization=zipped)
    content = file.read_bytes()
    random = np.random.default_rng(0)
    refused = 0
    for _ in range(60):
        damaged = bytearray(content)
        for position in random.integers(0, 4000, 4):
            damaged[position] = random.integers(0, 256)
        file.write_bytes(damaged)
        try:
            load_weights(file)
        except UnusableStyle:
            refused += 1
    assert refused > 20


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_tensors_that_hold_no_plain_numbers_are_refused(tmp_path: Path) -> None:
    for tensor in (torch.ones(3).to_sparse(), torch.empty(3, device="meta")):
        torch.save({"conv1.conv2d.bias": tensor}, tmp_path / "odd.pth")
        refusal(tmp_path / "odd.pth")


def test_a_cut_checkpoint_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "cut.pth"
    torch.save(TransformerNet(WIDTH).state_dict(), file)
    file.write_bytes(file.read_bytes()[:-2000])
    refusal(file)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path: Path) -> None:
    file = tmp_path / "huge.safetensors"
    with file.open("wb") as out:
        out.truncate(weights_module.MAX_BYTES + 1)
    assert "at most" in refusal(file)


@pytest.mark.parametrize(
    "change",
    [
        {"conv2.conv2d.weight": np.zeros((8, 4, 5, 5), np.float32)},
        {"in1.weight": np.zeros(5, np.float32)},
        {"conv1.conv2d.bias": np.zeros((4, 1), np.float32)},
        {"conv1.conv2d.bias": np.zeros(0, np.float32)},
        {"another": np.zeros(1, np.float32)},
    ],
)
def test_weights_of_another_shape_are_refused(
    change: dict[str, np.ndarray], tmp_path: Path
) -> None:
    file = tmp_path / "other.safetensors"
    save_file({**random_weights(), **change}, file)
    assert "TransformerNet" in refusal(file)


def test_a_missing_tensor_is_refused(tmp_path: Path) -> None:
    tensors = random_weights()
    del tensors["res3.in2.bias"]
    save_file(tensors, tmp_path / "part.safetensors")
    refusal(tmp_path / "part.safetensors")


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
def test_weights_that_are_no_numbers_are_refused(value: float, tmp_path: Path) -> None:
    tensors = random_weights()
    tensors["res1.conv1.conv2d.weight"][0, 0, 0, 0] = value
    save_file(tensors, tmp_path / "nan.safetensors")
    assert "no finite numbers" in refusal(tmp_path / "nan.safetensors")


def test_the_digest_changes_with_the_file(style_file: Path, tmp_path: Path) -> None:
    save_file(random_weights(seed=1), tmp_path / "random.safetensors")
    assert load_weights(tmp_path / "random.safetensors").digest != load_weights(style_file).digest


def test_every_shipped_style_loads_and_is_small() -> None:
    for name, file in shipped_styles().items():
        style = load_weights(file)
        assert style.name == name
        assert file.stat().st_size <= 4 * 2**20
        assert "title" in style.about
