"""Every backend paints what the published network paints."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.numpy import save_file

from stylejobs.scoring.backends import create_scorer
from stylejobs.scoring.network import network_of
from stylejobs.scoring.openvino_backend import OpenVINOScorer
from stylejobs.scoring.scorer import Scorer
from stylejobs.scoring.torch_backend import TorchScorer
from stylejobs.scoring.weights import StyleWeights, load_weights
from stylejobs_tests.conftest import random_weights

# Multiples of 4, other even sizes, odd ones, and a picture smaller than the padding.
SIZES = [(96, 160), (94, 158), (97, 161), (64, 65), (5, 3)]


def picture(height: int, width: int, seed: int = 0) -> np.ndarray:
    """Smooth colours with noise: flat areas and edges."""
    random = np.random.default_rng(seed)
    y, x = np.mgrid[0:height, 0:width]
    waves = np.stack([np.sin(x / 9 + c) + np.cos(y / (7 + c)) for c in range(3)], 2) * 50 + 128
    return np.clip(waves + random.normal(0, 12, waves.shape), 0, 255).astype(np.uint8)


def reference(weights: StyleWeights, frame: np.ndarray) -> np.ndarray:
    """The plain torch network; borders repeated to a size that it can halve twice."""
    net = network_of(weights.tensors)
    height, width = frame.shape[:2]
    rows, columns = (max(side + -side % 4, 16) - side for side in (height, width))
    padded = np.pad(frame, ((0, rows), (0, columns), (0, 0)), "edge")
    with torch.inference_mode():
        painted = net(torch.from_numpy(padded).permute(2, 0, 1)[None].float())[0]
    return painted.permute(1, 2, 0)[:height, :width].clamp(0, 255).numpy()


def painted_by(scorer: Scorer, frame: np.ndarray) -> np.ndarray:
    pictures = scorer(frame[np.newaxis]).pictures
    assert pictures is not None
    return pictures[0]


@pytest.fixture(scope="module")
def weights(style_file: Path) -> StyleWeights:
    return load_weights(style_file)


@pytest.mark.parametrize(("height", "width"), SIZES)
def test_openvino_in_f32_equals_torch(height: int, width: int, weights: StyleWeights) -> None:
    frame = picture(height, width)
    painted = painted_by(OpenVINOScorer(weights, height, width, "f32"), frame)
    assert painted.shape == frame.shape
    assert painted.dtype == np.uint8
    assert np.abs(painted - reference(weights, frame)).max() <= 1


@pytest.mark.parametrize(("height", "width"), SIZES[::2])
def test_the_torch_backend_equals_torch(height: int, width: int, weights: StyleWeights) -> None:
    frame = picture(height, width)
    painted = painted_by(TorchScorer(weights, height, width), frame)
    assert painted.shape == frame.shape
    assert painted.dtype == np.uint8
    assert np.abs(painted - reference(weights, frame)).max() <= 1


@pytest.mark.parametrize("scorer", [OpenVINOScorer, TorchScorer])
def test_a_network_of_fewer_blocks_is_painted_with(
    scorer: type[OpenVINOScorer] | type[TorchScorer], tmp_path: Path
) -> None:
    file = tmp_path / "shallow.safetensors"
    save_file(random_weights(blocks=2), file)
    shallow, frame = load_weights(file), picture(96, 160)
    assert shallow.blocks == 2
    painted = painted_by(scorer(shallow, 96, 160), frame).astype(int)
    assert np.abs(painted - reference(shallow, frame)).mean() < 1


def test_the_painting_is_a_picture_not_a_flat_colour(weights: StyleWeights) -> None:
    painted = painted_by(OpenVINOScorer(weights, 96, 160, "f32"), picture(96, 160))
    assert painted.std() > 10
    assert (painted == 0).mean() < 0.2
    assert (painted == 255).mean() < 0.2


def test_the_default_precision_stays_close_to_f32(weights: StyleWeights) -> None:
    frame = picture(96, 160)
    error = painted_by(OpenVINOScorer(weights, 96, 160), frame) - reference(weights, frame)
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 35  # PSNR, dB


@pytest.mark.parametrize("backend", ["openvino", "torch"])
def test_equal_pictures_give_equal_paintings(backend: str, weights: StyleWeights) -> None:
    first, second = picture(62, 90), picture(62, 90, seed=1)
    scorer = create_scorer(weights, 62, 90, "cpu", backend)
    painted = painted_by(scorer, first)
    other = painted_by(scorer, second)
    assert not np.array_equal(painted, other)
    assert np.array_equal(painted_by(scorer, first), painted)
    again = create_scorer(weights, 62, 90, "cpu", backend)
    assert np.array_equal(painted_by(again, first), painted)


def test_the_automatic_choice_names_what_it_runs_on(weights: StyleWeights) -> None:
    assert create_scorer(weights, 32, 32).device
    assert "OpenVINO" in create_scorer(weights, 32, 32, "cpu").device
    assert "torch" in create_scorer(weights, 32, 32, "cpu", "torch").device


def test_openvino_on_cuda_is_refused(weights: StyleWeights) -> None:
    with pytest.raises(ValueError, match="runs on the CPU"):
        create_scorer(weights, 32, 32, "cuda", "openvino")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_cuda_without_a_gpu_is_refused(weights: StyleWeights) -> None:
    with pytest.raises(ValueError, match="No CUDA device"):
        create_scorer(weights, 32, 32, "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
def test_cuda_in_fp16_stays_close_to_torch(weights: StyleWeights) -> None:
    frame = picture(97, 161)
    error = painted_by(create_scorer(weights, 97, 161, "cuda"), frame) - reference(weights, frame)
    assert 10 * np.log10(255**2 / np.mean(error**2)) > 35  # PSNR, dB
