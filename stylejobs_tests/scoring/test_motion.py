"""Optical flow, where it can be trusted, and scene cuts."""

import numpy as np
import pytest

from stylejobs.media.colour import to_rgb
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.sample import SAMPLE
from stylejobs.scoring.motion import FlowEstimator, agrees, enlarged, gray, is_cut, move, shrunk


@pytest.fixture(scope="module")
def wide():
    """A landscape of soft spots, (120, 240, 3): wide enough to pan over."""
    import cv2

    noise = np.random.default_rng(1).integers(0, 256, (15, 30, 3), dtype=np.uint8)
    return cv2.resize(noise, (240, 120), interpolation=cv2.INTER_CUBIC)


def test_flow_follows_a_pan_and_what_comes_into_view_is_not_trusted(wide):
    before, after = wide[:, :160], wide[:, 4:164]
    flow = FlowEstimator()
    back = flow(gray(after), gray(before))
    seen = agrees(back, flow(gray(before), gray(after)))
    np.testing.assert_allclose(np.median(back, (0, 1)), (4, 0), atol=0.1)
    assert seen[:, :150].mean() > 0.95
    assert not seen[:, 157:].any()
    moved = move(before, back)
    assert np.abs(moved[seen].astype(int) - after[seen]).mean() < 1


def test_flow_of_small_pictures_serves_large_ones(wide):
    before, after = (shrunk(each, 60) for each in (wide[:, :160], wide[:, 4:164]))
    assert before.shape == (60, 80, 3)
    flow = enlarged(FlowEstimator()(gray(after), gray(before)), 120, 160)
    assert flow.shape == (120, 160, 2)
    np.testing.assert_allclose(np.median(flow, (0, 1)), (4, 0), atol=0.2)
    assert shrunk(wide, 240) is wide


def test_a_new_scene_is_a_cut_and_a_pan_is_none(wide):
    assert is_cut(wide, wide[::-1] // 3)
    assert not is_cut(wide[:, :160], wide[:, 16:176])


def test_cuts_of_a_film_are_found_and_nothing_else():
    manifest = probe(SAMPLE, Limits())
    frames = normalised_frames(SAMPLE, manifest, manifest.pts[36:50])
    shown = [to_rgb(frame, manifest.video.colour) for frame in frames]
    assert [n for n in range(1, len(shown)) if is_cut(shown[n - 1], shown[n])] == [43 - 36]
