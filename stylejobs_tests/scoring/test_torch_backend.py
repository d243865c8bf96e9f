"""Batches, strips and little memory, on a CPU as on a GPU."""

from __future__ import annotations

import logging
import os
import subprocess
import sys
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
import torch

from stylejobs.scoring import lanes
from stylejobs.scoring.network import network_of
from stylejobs.scoring.plan import Plan, plan_for
from stylejobs.scoring.strips import paint_in_strips
from stylejobs.scoring.torch_backend import TorchScorer
from stylejobs.scoring.weights import StyleWeights, load_weights
from stylejobs_tests.conftest import random_weights

Starve = Callable[..., tuple[int, bool, int, np.ndarray]]
ROOT = Path(__file__).parents[2]
GIB = 2**30
STRIPS = Plan(1, 1, strips=True)


def noise(count: int, height: int, width: int) -> np.ndarray:
    return np.random.default_rng(0).integers(0, 256, (count, height, width, 3), np.uint8)


def painted(scorer: TorchScorer, pictures: np.ndarray) -> np.ndarray:
    result = scorer(pictures).pictures
    assert result is not None
    assert result.shape == pictures.shape
    assert result.dtype == np.uint8
    return result.astype(int)


@pytest.fixture(scope="module")
def weights(style_file: Path) -> StyleWeights:
    return load_weights(style_file)


def test_a_picture_does_not_depend_on_its_batch(weights: StyleWeights) -> None:
    pictures = noise(7, 62, 90)
    alone = TorchScorer(weights, 62, 90)
    one_by_one = np.concatenate([painted(alone, pictures[n : n + 1]) for n in range(7)])
    together = painted(TorchScorer(weights, 62, 90, plan=Plan(4, 1)), pictures)
    assert np.abs(together - one_by_one).max() <= 1


def test_threads_share_one_scorer(weights: StyleWeights) -> None:
    pictures = noise(12, 62, 90)
    scorer = TorchScorer(weights, 62, 90, plan=Plan(2, 2))
    expected = painted(scorer, pictures)
    with ThreadPoolExecutor(4) as pool:
        batches = pool.map(lambda n: painted(scorer, pictures[n : n + 2]), range(0, 12, 2))
        assert np.array_equal(np.concatenate(list(batches)), expected)


@pytest.mark.parametrize(("height", "width"), [(48, 80), (49, 81), (62, 35), (5, 3)])
@pytest.mark.parametrize("strip_pixels", [1, 1000, 7777, 10**6])
def test_strips_leave_no_seam(
    height: int, width: int, strip_pixels: int, weights: StyleWeights
) -> None:
    net = network_of(weights.tensors)
    sides = (max(side + -side % 4, 16) for side in (height, width))
    pictures = torch.from_numpy(noise(2, *sides)).permute(0, 3, 1, 2)
    with torch.inference_mode():
        whole = net(pictures.float()).round().clamp(0, 255)
        strips = paint_in_strips(net, pictures, strip_pixels)
    assert strips.dtype == torch.uint8
    assert (strips - whole).abs().max() <= 1


@pytest.mark.parametrize(("height", "width"), [(96, 160), (97, 161), (5, 3)])
def test_a_scorer_in_strips_paints_the_same(height: int, width: int, weights: StyleWeights) -> None:
    pictures = noise(2, height, width)
    whole = painted(TorchScorer(weights, height, width), pictures)
    strips = painted(TorchScorer(weights, height, width, plan=STRIPS), pictures)
    assert np.abs(strips - whole).max() <= 1


@pytest.mark.parametrize(
    ("gib", "height", "width", "plan"),
    [
        (139, 720, 1280, Plan(16, 2)),
        (139, 2160, 3840, Plan(1, 2)),
        (15, 720, 1280, Plan(9, 2)),
        (15, 2160, 3840, Plan(1, 2)),
        (7, 2160, 3840, Plan(1, 1)),
        (4, 2160, 3840, STRIPS),
        (3.5, 1080, 1920, Plan(1, 2)),
        (1, 1080, 1920, STRIPS),
        (15, 16, 16, Plan(16, 2)),
    ],
)
def test_the_batch_follows_the_free_memory(gib: float, height: int, width: int, plan: Plan) -> None:
    assert plan_for(int(gib * GIB), 32, height * width) == plan


def test_plans_get_smaller_until_there_is_nothing_left() -> None:
    plan: Plan | None = Plan(9, 2)
    plans = []
    while plan:
        plans.append((plan.batch, plan.lanes, plan.strips))
        plan = plan.smaller()
    assert plans == [
        *((9, 2, False), (4, 2, False), (2, 2, False)),
        *((1, 2, False), (1, 1, False), (1, 1, True)),
    ]


@pytest.fixture
def starve(style_file: Path, tmp_path: Path) -> Starve:
    def run(
        megabytes: int, batch: int, height: int, width: int, strips: bool = False
    ) -> tuple[int, bool, int, np.ndarray]:
        """The batch and whether in strips at the end, the peak in bytes, the pictures."""
        out = tmp_path / "out.npy"
        numbers = (megabytes, batch, "strips" if strips else "whole", height, width)
        child = subprocess.run(
            [sys.executable, "-m", "stylejobs_tests.scoring.starved"]
            + [str(each) for each in (style_file, *numbers, out)],
            capture_output=True,
            text=True,
            check=False,
            # Freed memory goes back at once, so that the peak is that of what is in use.
            env={**os.environ, "PYTHONPATH": str(ROOT), "MALLOC_MMAP_THRESHOLD_": "65536"},
        )
        if child.returncode:
            raise MemoryError(child.stderr.splitlines()[-1])
        left, in_strips, peak = map(int, child.stdout.split())
        return left, bool(in_strips), peak, np.load(out).astype(int)

    return run


def test_the_batch_is_halved_when_memory_runs_out(starve: Starve, weights: StyleWeights) -> None:
    batch, strips, _, result = starve(90, 16, 240, 320)
    assert 1 <= batch < 16
    assert not strips
    expected = painted(TorchScorer(weights, 240, 320), noise(16, 240, 320))
    assert np.abs(result - expected).max() <= 1


def test_strips_are_taken_when_a_picture_does_not_fit(
    starve: Starve, weights: StyleWeights
) -> None:
    batch, strips, _, result = starve(150, 1, 960, 1280)
    assert (batch, strips) == (1, True)
    expected = painted(TorchScorer(weights, 960, 1280), noise(1, 960, 1280))
    assert np.abs(result - expected).max() <= 1


def test_an_error_says_so_when_nothing_fits(starve: Starve) -> None:
    with pytest.raises(MemoryError, match="can't allocate memory"):
        starve(4, 1, 480, 640)


def test_strips_hold_little_more_than_two_maps(starve: Starve) -> None:
    """1.5 × width elements a pixel (see `strips`), and the strips; fp32 here, a width of 4."""
    element = 4 * 4 * 1080 * 1920
    _, _, strips, _ = starve(4000, 1, 1080, 1920, strips=True)
    assert strips < 2.5 * element


def test_another_error_is_not_taken_for_a_lack_of_memory(weights: StyleWeights) -> None:
    scorer = TorchScorer(weights, 62, 90, plan=Plan(4, 1))
    with pytest.raises(RuntimeError, match="channels"):
        scorer(np.zeros((1, 62, 90, 2), np.uint8))
    assert scorer.plan == Plan(4, 1)


def test_a_lack_of_memory_behind_another_error_counts() -> None:
    with pytest.raises(RuntimeError) as caught:
        try:
            torch.empty(2**50)
        finally:
            raise RuntimeError("the end of what was begun")
    assert lanes.is_out_of_memory(caught.value)
    assert not lanes.is_out_of_memory(RuntimeError("the end of what was begun"))


def test_without_a_compiler_it_paints_all_the_same(
    weights: StyleWeights, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    from torch._inductor import config

    monkeypatch.setattr(config.cpp, "cxx", (None, "/bin/false"))
    monkeypatch.setattr(lanes, "_warned", set())
    pictures = noise(1, 32, 48)
    expected = painted(TorchScorer(weights, 32, 48), pictures)
    scorer = TorchScorer(weights, 32, 48, compiled=True)
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            assert np.array_equal(painted(scorer, pictures), expected)
    assert len([line for line in caplog.messages if "torch.compile" in line]) == 1


on_cuda = pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")


@pytest.fixture(scope="module")
def official() -> StyleWeights:
    """As wide as the published networks."""
    return StyleWeights("official", random_weights(32), "", {})


@on_cuda
@pytest.mark.parametrize("compiled", [False, True])
def test_on_cuda_equal_pictures_give_equal_paintings(
    compiled: bool, official: StyleWeights
) -> None:
    pictures = noise(7, 242, 362)
    first = TorchScorer(official, 242, 362, "cuda", Plan(4, 2), compiled)
    expected = painted(first, pictures)
    one_by_one = [painted(first, pictures[n : n + 1]) for n in range(7)]
    assert np.array_equal(np.concatenate(one_by_one), expected)
    again = TorchScorer(official, 242, 362, "cuda", Plan(4, 2), compiled)
    assert np.array_equal(painted(again, pictures[::-1])[::-1], expected)
    assert np.abs(expected - painted(TorchScorer(official, 242, 362), pictures)).mean() < 1


@on_cuda
def test_on_cuda_threads_do_not_mix_their_batches(official: StyleWeights) -> None:
    pictures = noise(64, 242, 362)
    scorer = TorchScorer(official, 242, 362, "cuda", Plan(4, 2), compiled=False)
    expected = painted(scorer, pictures)
    with ThreadPoolExecutor(4) as pool:
        batches = pool.map(lambda n: painted(scorer, pictures[n : n + 4]), range(0, 64, 4))
        assert np.array_equal(np.concatenate(list(batches)), expected)


@on_cuda
def test_on_cuda_strips_leave_no_seam_and_take_little(official: StyleWeights) -> None:
    pictures = noise(1, 1080, 1920)
    whole = painted(TorchScorer(official, 1080, 1920, "cuda", Plan(1, 1)), pictures)
    torch.cuda.empty_cache()
    torch.cuda.reset_peak_memory_stats()
    before = torch.cuda.memory_allocated()
    strips = painted(TorchScorer(official, 1080, 1920, "cuda", STRIPS), pictures)
    assert np.abs(strips - whole).max() <= 2
    assert torch.cuda.max_memory_allocated() - before < 0.6 * GIB


@on_cuda
def test_on_cuda_the_batch_is_halved_when_memory_runs_out(official: StyleWeights) -> None:
    pictures = noise(16, 720, 1280)
    expected = painted(TorchScorer(official, 720, 1280, "cuda", Plan(1, 1), False), pictures)
    torch.cuda.empty_cache()
    used = torch.cuda.memory_reserved()
    total = torch.cuda.get_device_properties(0).total_memory
    torch.cuda.set_per_process_memory_fraction((used + 2 * GIB) / total)
    try:
        scorer = TorchScorer(official, 720, 1280, "cuda", Plan(16, 2), False)
        assert scorer.batch_size < 16
        assert np.abs(painted(scorer, pictures) - expected).max() <= 2
    finally:
        torch.cuda.set_per_process_memory_fraction(1.0)
