"""Strength, colours, working resolution: what becomes of one frame's picture."""

import numpy as np
import pytest

from stylejobs.scoring.controls import (
    BadControls,
    Controls,
    ShrinkingScorer,
    finished,
    finishing,
    resized,
)
from stylejobs.scoring.scorer import IdentityScorer, Scores
from stylejobs.scoring.steady import FramePlan


@pytest.fixture(scope="module")
def source():
    """Soft spots, not too dark and not too bright: (96, 128, 3)."""
    return spots(5)


@pytest.fixture(scope="module")
def painted():
    return spots(6)


def spots(seed):
    import cv2

    noise = np.random.default_rng(seed).integers(80, 176, (12, 16, 3), dtype=np.uint8)
    return cv2.resize(noise, (128, 96), interpolation=cv2.INTER_LINEAR)


def luma(picture):
    return picture @ np.array([0.299, 0.587, 0.114])


def chroma(picture):
    return picture - luma(picture)[..., None]


def test_usual_controls_leave_the_engine_as_it_is():
    assert finishing(Controls(), FramePlan([range(3)])) is None
    assert Controls().facts == {}


def test_strength_goes_from_the_source_to_the_painting(source, painted):
    np.testing.assert_array_equal(finished(Controls(strength=0), source, painted), source)
    np.testing.assert_array_equal(finished(Controls(), source, painted), painted)
    half = finished(Controls(strength=0.5), source, painted).astype(float)
    np.testing.assert_allclose(half, (source / 2 + painted / 2), atol=0.6)


def test_the_colours_of_the_source_are_kept_under_the_painted_light(source, painted):
    result = finished(Controls(colours="source"), source, painted)
    assert np.abs(luma(result) - luma(painted)).mean() < 1
    assert np.abs(chroma(result) - chroma(source)).mean() < 1.5
    assert np.abs(chroma(result) - chroma(painted)).mean() > 10


@pytest.mark.parametrize(
    ("lines", "size", "painted"),
    [
        (720, (1080, 1920), (720, 1280)),
        (720, (1920, 1080), (1280, 720)),
        (720, (480, 854), (480, 854)),
        (None, (2160, 3840), (2160, 3840)),
    ],
)
def test_lines_are_those_of_the_shorter_side_and_never_more_than_there_are(lines, size, painted):
    assert Controls(lines=lines).painted_size(*size) == painted


def test_a_smaller_picture_is_painted_and_delivered_at_the_size_of_the_source(source):
    seen = []

    class Watching(IdentityScorer):
        def __call__(self, pictures: np.ndarray) -> Scores:
            seen.append(pictures.shape)
            return Scores(pictures)

    scores = ShrinkingScorer(Watching(), 72, 96)(np.stack([source, source]))
    assert seen == [(2, 72, 96, 3)]
    result = finished(Controls(lines=72), source, scores.pictures[0])
    assert result.shape == source.shape
    assert np.abs(result.astype(int) - source).mean() < 2


def test_fine_stripes_become_grey_when_they_are_shrunk():
    stripes = np.zeros((96, 128, 3), np.uint8)
    stripes[:, ::2] = 255
    assert np.ptp(resized(stripes, 48, 64)) <= 1


def test_steadier_blends_warm_up_for_longer():
    assert [Controls(steady=share).warm_up for share in (0, 0.5, 0.8)] == [0, 5, 14]


def test_what_is_asked_for_goes_before_the_usual():
    usual = Controls(steady=0.5)
    assert usual.with_wishes({}) == usual
    assert usual.with_wishes({"steady": "off", "strength": "0.7"}) == Controls(strength=0.7)
    assert Controls(lines=720).with_wishes({"lines": "source"}) == Controls()


@pytest.mark.parametrize(
    ("wish", "told"),
    [
        ({"strength": "2"}, "strength='2'"),
        ({"strength": "nan"}, "strength='nan'"),
        ({"colours": "mine"}, "'style' or 'source'"),
        ({"lines": "12"}, "greater than or equal to 64"),
        ({"steady": "1"}, "less than or equal to 0.8"),
        ({"steady": "x" * 1000}, "x" * 40 + "'"),
    ],
)
def test_what_cannot_be_is_explained(wish, told):
    with pytest.raises(BadControls) as caught:
        Controls().with_wishes(wish)
    assert told in str(caught.value)
    assert len(str(caught.value)) < 200
