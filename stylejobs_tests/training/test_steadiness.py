"""What is measured of a painted video: how still it holds, at seams too, and how sharp it is."""

import numpy as np
import pytest

from stylejobs.training.steadiness import seam_ratio, sharpness, warping_error

FRAMES = 8


@pytest.fixture(scope="module")
def source():
    """A pan over soft spots, two pixels a frame: (96, 128, 3) each."""
    import cv2

    noise = np.random.default_rng(2).integers(0, 256, (12, 24, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (192, 96), interpolation=cv2.INTER_CUBIC)
    return [wide[:, 2 * n : 2 * n + 128] for n in range(FRAMES)]


def inverted(source):
    return [255 - picture for picture in source]


def test_paint_that_moves_with_the_picture_has_no_error(source):
    assert warping_error(source, inverted(source)) < 1e-4
    assert warping_error(source, inverted(source), step=5) < 5e-4


def test_flicker_is_measured_in_squares_of_full_scale(source):
    gray = [np.full_like(picture, 128 + 10 * (n % 2)) for n, picture in enumerate(source)]
    assert warping_error(source, gray) == pytest.approx((10 / 255) ** 2)
    assert warping_error(source, gray, step=2) == 0


def test_pairs_across_a_cut_are_left_out(source):
    scenes = [*source[:4], *(picture // 3 for picture in source[4:])]
    painted = [np.full_like(picture, 50 if n < 4 else 200) for n, picture in enumerate(scenes)]
    assert warping_error(scenes, painted) == 0
    assert np.isnan(warping_error(scenes, painted, step=4))


def test_a_seam_shows_against_the_frames_around_it(source):
    even = [np.full_like(picture, 100 + n) for n, picture in enumerate(source)]
    stepped = [np.full_like(picture, 100 + n + 5 * (n >= 4)) for n, picture in enumerate(source)]
    assert seam_ratio(source, even, [4]) == pytest.approx(1)
    assert seam_ratio(source, stepped, [4]) == pytest.approx(36)


def test_blur_costs_sharpness(source):
    import cv2

    blurred = [cv2.GaussianBlur(picture, (0, 0), 4) for picture in source]
    assert sharpness(blurred) < 0.9 * sharpness(source)


def test_frames_without_their_paintings_are_refused(source):
    with pytest.raises(ValueError, match="8 source frames, but 7 painted"):
        warping_error(source, source[1:])
