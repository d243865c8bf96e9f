"""Colours keep their value, whatever matrix and range a video uses, and its result says which."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from stylejobs.media.colour import from_rgb, to_rgb
from stylejobs.media.decode import read_frames
from stylejobs.media.manifest import Colour
from stylejobs.media.normalise import normalise
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import ffmpeg_input, run_ffmpeg

# Weights of red and blue in luma: ITU-R BT.601 and BT.709.
LUMA = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722)}
PATCHES = [
    *((r, g, b) for r in (0, 255) for g in (0, 255) for b in (0, 255)),
    *map(tuple, np.random.default_rng(1).integers(0, 256, (40, 3)).tolist()),
]
KINDS = [(matrix, full) for matrix in LUMA for full in (False, True)]


def colour(matrix: str, full_range: bool) -> Colour:
    return Colour(matrix=matrix, full_range=full_range, primaries=2, transfer=2, tagged=True)


def exact_yuv(rgb: tuple[int, int, int], matrix: str, full_range: bool) -> np.ndarray:
    """Y, Cb, Cr as the standards define them, before rounding."""
    red, blue = LUMA[matrix]
    r, g, b = (v / 255 for v in rgb)
    y = red * r + (1 - red - blue) * g + blue * b
    cb, cr = (b - y) / (2 - 2 * blue), (r - y) / (2 - 2 * red)
    scale, offset = ((255, 255), 0) if full_range else ((219, 224), 16)
    return np.array([offset + scale[0] * y, 128 + scale[1] * cb, 128 + scale[1] * cr])


def planes(frame: av.VideoFrame) -> np.ndarray:
    """The mean Y, Cb and Cr of a yuv420p frame."""
    samples = frame.to_ndarray().astype(float)
    height = frame.height
    half = height + height // 4
    return np.array([samples[:height].mean(), samples[height:half].mean(), samples[half:].mean()])


def flat(rgb: tuple[int, int, int]) -> np.ndarray:
    return np.full((16, 32, 3), rgb, np.uint8)


@pytest.mark.parametrize(("matrix", "full_range"), KINDS)
def test_rgb_becomes_the_yuv_of_the_standard(matrix: str, full_range: bool) -> None:
    kind = colour(matrix, full_range)
    errors = [
        np.abs(planes(from_rgb(flat(rgb), kind, "yuv420p")) - exact_yuv(rgb, matrix, full_range))
        for rgb in PATCHES
    ]
    # Half a step is the rounding to 8 bits; libswscale's full-range chroma is up to a step low.
    assert np.max(errors) <= (1.1 if full_range else 0.6)


@pytest.mark.parametrize(("matrix", "full_range"), KINDS)
def test_yuv_through_rgb_and_back_stays_the_same(matrix: str, full_range: bool) -> None:
    kind = colour(matrix, full_range)
    errors = []
    for rgb in PATCHES:
        frame = from_rgb(flat(rgb), kind, "yuv420p")
        again = from_rgb(to_rgb(frame, kind), kind, "yuv420p")
        errors.append(np.abs(again.to_ndarray().astype(float) - frame.to_ndarray()).mean())
    assert np.mean(errors) <= 0.2


@pytest.mark.parametrize(("matrix", "full_range"), KINDS)
def test_rgb_through_yuv_and_back_is_off_by_rounding_only(matrix: str, full_range: bool) -> None:
    kind = colour(matrix, full_range)
    errors = [
        np.abs(to_rgb(from_rgb(flat(rgb), kind, "yuv420p"), kind).astype(float) - rgb).mean()
        for rgb in PATCHES
    ]
    # Three values rounded to 8 bits each cost about 0.4 of a step, however exact the arithmetic.
    assert np.mean(errors) <= (0.75 if full_range else 0.45)


def coloured_clip(out: Path, rgb: str, matrix: str, full_range: bool, tagged: bool) -> Path:
    """A flat colour, encoded as asked for; without tags, the stream does not say how."""
    name = {"bt601": "smpte170m", "bt709": "bt709"}[matrix]
    side = "pc" if full_range else "tv"
    picture = (
        ffmpeg_input(f"color=c={rgb}:size=160x96:rate=24:duration=0.25")
        .filter("format", "gbrp")
        .filter("scale", out_color_matrix=matrix, out_range=side, flags="accurate_rnd")
        .filter("format", "yuv420p")
        .filter("setparams", color_primaries=name, color_trc=name)
    )
    options = {} if tagged else {"bsf:v": "h264_metadata=matrix_coefficients=2", "color_range": 0}
    return run_ffmpeg(picture, out=out, vcodec="libx264", crf=4, **options)


def shown_colour(path: Path) -> np.ndarray:
    """The mean RGB of the first frame."""
    manifest = probe(path, Limits())
    frame = next(read_frames(path, manifest, manifest.pts))
    return to_rgb(frame, manifest.video.colour).mean((0, 1))


@pytest.mark.parametrize(("matrix", "full_range"), KINDS)
def test_a_painted_video_keeps_its_colour_and_says_how_it_is_encoded(
    matrix: str, full_range: bool, paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    source = coloured_clip(tmp_path / "source.mp4", "0xC86432", matrix, full_range, tagged=True)
    found = probe(source, Limits()).video.colour
    assert (found.matrix, found.full_range, found.tagged) == (matrix, full_range, True)
    assert np.abs(shown_colour(source) - (0xC8, 0x64, 0x32)).max() <= 2.5
    painted = paint_clip(source, tmp_path, 2)
    assert compare(source, painted) == []
    # Full range: libswscale's chroma is up to a step low, two steps in red and blue.
    error = np.abs(shown_colour(painted) - shown_colour(source)).mean()
    assert error <= (2 if full_range else 1)


def test_an_untagged_small_video_counts_as_bt601_and_its_result_says_so(
    paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    source = coloured_clip(tmp_path / "source.mp4", "0xC86432", "bt601", False, tagged=False)
    assert not probe(source, Limits()).video.colour.tagged
    painted = paint_clip(source, tmp_path, 1)
    assert probe(painted, Limits()).video.colour.tagged
    assert compare(source, painted) == []
    assert np.abs(shown_colour(painted) - (0xC8, 0x64, 0x32)).max() <= 2.5


@pytest.mark.parametrize(
    ("pixels", "codec"),
    [
        ("yuv422p10le", "libx264"),
        ("yuv444p", "libx264"),
        ("yuvj422p", "libx264"),
        ("gray", "libx264"),
        ("gbrp", "libx264rgb"),
    ],
)
def test_other_pixel_formats_keep_their_colour(
    pixels: str, codec: str, paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    rgb = "0x646464" if pixels == "gray" else "0xC86432"
    picture = ffmpeg_input(f"color=c={rgb}:size=160x96:rate=24:duration=0.25")
    source = tmp_path / "source.mp4"
    run_ffmpeg(picture, out=source, vcodec=codec, crf=4, pix_fmt=pixels)
    painted = paint_clip(source, tmp_path, 1)
    expected = [int(rgb[n : n + 2], 16) for n in (2, 4, 6)]
    # 8-bit YUV, the encoder and libswscale's full-range chroma cost a step each.
    assert np.abs(shown_colour(painted) - expected).max() <= 3.5
    assert compare(source, painted) == []


def test_rgb_video_in_hd_becomes_bt709(
    paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    picture = ffmpeg_input("color=c=0xC86432:size=1280x720:rate=24:duration=0.1")
    source = tmp_path / "source.mp4"
    run_ffmpeg(picture, out=source, vcodec="libx264rgb", crf=4, pix_fmt="gbrp")
    painted = paint_clip(source, tmp_path, 1)
    assert probe(painted, Limits()).video.colour.matrix == "bt709"
    # BT.601 samples shown as BT.709 would be off by 9.
    assert np.abs(shown_colour(painted) - (0xC8, 0x64, 0x32)).max() <= 4.5


def test_the_mezzanine_keeps_every_sample_of_a_plain_video(
    clip: Callable[[str], Path], cut_frames: Callable[..., Path], tmp_path: Path
) -> None:
    source = clip("open_gop.mp4")
    manifest = probe(source, Limits(shards=4, min_shard_frames=1))
    for shard in range(4):
        lossless = cut_frames(source, manifest, shard, tmp_path / f"{shard}.mp4")
        cut = probe(lossless, Limits())
        want = read_frames(source, manifest, manifest.shard_pts(shard))
        have = read_frames(lossless, cut, cut.pts)
        for before, after in zip(want, have, strict=True):
            assert np.array_equal(before.to_ndarray(), after.to_ndarray())


def test_normalising_a_plain_video_costs_nothing(clip: Callable[[str], Path]) -> None:
    manifest = probe(clip("cfr.mp4"), Limits())
    frames = list(read_frames(clip("cfr.mp4"), manifest, manifest.pts))
    for before, after in zip(frames, normalise(frames, manifest.video), strict=True):
        assert after is before


@pytest.mark.parametrize(("height", "width"), [(2, 2), (2, 6), (4, 2), (16, 32)])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p"])
def test_small_full_range_pictures_are_encoded_too(
    height: int, width: int, pixel_format: str
) -> None:
    kind = colour("bt601", True)
    picture = np.full((height, width, 3), (200, 100, 50), np.uint8)
    back = to_rgb(from_rgb(picture, kind, pixel_format), kind)
    assert back.shape == picture.shape
    assert np.abs(back.astype(int) - picture).max() <= 2
