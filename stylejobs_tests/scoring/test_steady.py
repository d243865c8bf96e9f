"""The flow-warp blend: it takes flicker out, keeps motion, and every piece stands by itself."""

import numpy as np
import pytest

from stylejobs.scoring.controls import Controls
from stylejobs.scoring.steady import FramePlan, SteadyBlend
from stylejobs.training.steadiness import seam_ratio, warping_error

FRAMES = 40
SHARE = 0.5
WARM_UP = Controls(steady=SHARE).warm_up


@pytest.fixture(scope="module")
def source():
    """A pan over soft spots, a pixel a frame: (72, 96, 3) each."""
    import cv2

    noise = np.random.default_rng(3).integers(0, 256, (9, 20, 3), dtype=np.uint8)
    wide = cv2.resize(noise, (160, 72), interpolation=cv2.INTER_CUBIC)
    return [wide[:, n : n + 96] for n in range(FRAMES)]


@pytest.fixture(scope="module")
def painted(source):
    """Each frame inverted, with a flicker of its own in every pixel and over all."""
    rng = np.random.default_rng(4)
    return [
        np.clip(255 - picture + rng.normal(0, 8, picture.shape) + rng.normal(0, 4), 0, 255)
        .round()
        .astype(np.uint8)
        for picture in source
    ]


def steadied(source, painted, pieces, warm_up=WARM_UP, share=SHARE):
    """The blend's pictures of the frames of ``pieces``, by number."""
    plan = FramePlan(pieces, warm_up)
    blend = SteadyBlend(share, plan)
    made = {n: blend(source[n], painted[n]) for n in plan.frames}
    return {n: made[n] for piece in pieces for n in piece}


def test_it_takes_out_most_of_the_flicker_and_keeps_what_moves(source, painted):
    whole = steadied(source, painted, [range(FRAMES)])
    result = [whole[n] for n in range(FRAMES)]
    assert warping_error(source, result) < 0.4 * warping_error(source, painted)
    inner = np.s_[12:-12, 12:-12]
    wrong = [
        np.abs(picture[inner].astype(int) - (255 - frame[inner])).mean()
        for frame, picture in zip(source, result, strict=True)
    ]
    noise = np.abs(painted[-1][inner].astype(int) - (255 - source[-1][inner])).mean()
    assert np.mean(wrong[5:]) < noise


def test_a_piece_is_the_same_whichever_others_are_painted_with_it(source, painted):
    pieces = [range(0, 10), range(10, 20), range(20, 23), range(23, FRAMES)]
    together = steadied(source, painted, pieces)
    for some in ([pieces[1]], [pieces[0], pieces[2]], pieces[2:]):
        for number, picture in steadied(source, painted, some).items():
            np.testing.assert_array_equal(picture, together[number])


def test_seams_between_pieces_do_not_show(source, painted):
    pieces = [range(n, n + 10) for n in range(0, FRAMES, 10)]
    seams = [10, 20, 30]
    with_warm_up, without = (steadied(source, painted, pieces, warm_up) for warm_up in (WARM_UP, 0))
    assert seam_ratio(source, list(with_warm_up.values()), seams) < 1.3
    assert seam_ratio(source, list(without.values()), seams) > 2


def test_a_scene_begins_with_its_own_picture(source, painted):
    scenes = [*source[:5], *(picture[::-1] // 3 for picture in source[5:10])]
    made = steadied(scenes, painted[:10], [range(10)])
    np.testing.assert_array_equal(made[5], painted[5])
    assert (made[6] != painted[6]).any()


def test_what_comes_into_view_keeps_its_own_picture(source, painted):
    faster = source[::4]
    made = steadied(faster, painted[: len(faster)], [range(len(faster))])
    for n in range(1, len(faster)):
        np.testing.assert_array_equal(made[n][:, -1], painted[n][:, -1])


def test_pictures_may_be_smaller_than_their_sources(source, painted):
    small = [picture[::2, ::2] for picture in painted]
    made = steadied(source, small, [range(10)])
    assert made[9].shape == small[9].shape
    assert np.abs(made[9].astype(int) - small[9]).mean() < 12


def test_the_first_piece_of_a_video_has_no_frames_to_warm_up():
    assert FramePlan([range(0, 3), range(10, 12)], 4).frames == [0, 1, 2, *range(6, 12)]
    assert FramePlan([range(4, 6)]).frames == [4, 5]


def test_frames_that_only_warm_up_are_not_kept():
    plan = FramePlan([range(0, 2), range(6, 8)], 3)
    kept = []
    take = plan.for_kept(kept.append)
    for number in plan.frames:
        take(number)
    assert kept == [0, 1, 6, 7]
