"""HDR comes out as SDR that looks right; 10 bits, other samplings and alpha come out plain."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from stylejobs.media.colour import HLG, PQ, SDR, to_rgb
from stylejobs.media.decode import read_frames
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.hdr import to_sdr
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import ffmpeg_input, run_ffmpeg

Clip = Callable[[str], Path]

# Signal of HDR's reference white (203 nits) and of a grey card (26 nits): ITU-R BT.2408, table 1.
WHITE = {"pq.mp4": 0.58, "hlg.mp4": 0.75}
GREY_CARD = {"pq.mp4": 0.38, "hlg.mp4": 0.38}
CODES = {"pq.mp4": PQ, "hlg.mp4": HLG}
CURVES = list(CODES)


def shown(path: Path) -> np.ndarray:
    """The first frame as it is painted, (H, W, 3) RGB."""
    manifest = probe(path, Limits())
    frame = next(iter(normalised_frames(path, manifest, manifest.pts)))
    assert frame.format.name in ("yuv420p", "yuvj420p")
    return to_rgb(frame, manifest.video.colour).astype(float)


@pytest.mark.parametrize("name", CURVES)
def test_a_ramp_of_grey_stays_grey_and_rises(name: str, clip: Clip) -> None:
    picture = shown(clip(name))
    ramp = picture.mean(0)
    assert np.ptp(ramp, axis=1).max() <= 1  # red, green and blue alike
    assert np.diff(ramp.mean(1)).min() >= -0.5
    assert ramp[0].max() <= 1
    assert ramp[-1].min() >= 253


@pytest.mark.parametrize("name", CURVES)
def test_white_is_bright_and_a_grey_card_is_grey(name: str, clip: Clip) -> None:
    ramp = shown(clip(name)).mean((0, 2))
    white, grey = (ramp[round(219 * signal[name])] for signal in (WHITE, GREY_CARD))
    assert 200 <= white <= 245  # and room for highlights above it
    # SDR cameras give a grey card 41 % of the signal, 104 of 255.
    assert 100 <= grey <= 115


@pytest.mark.parametrize("name", CURVES)
def test_the_filter_graph_does_what_the_operator_says(name: str, clip: Clip) -> None:
    signal = np.repeat(np.linspace(0, 1, 220)[:, None], 3, axis=1)
    expected = 255 * to_sdr(signal, CODES[name])
    assert np.abs(shown(clip(name)).mean(0) - expected)[2:].max() <= 2


@pytest.mark.parametrize("code", [PQ, HLG])
def test_the_operator_keeps_hue_and_never_leaves_the_range(code: int) -> None:
    random = np.random.default_rng(0).random((1000, 3))
    mapped = to_sdr(random, code)
    assert mapped.min() >= 0
    assert mapped.max() <= 1
    for strength in (0.3, 0.5, 0.7, 0.9):
        red, green, blue = to_sdr(np.array([1.0, 0.9, 0.8]) * strength, code)
        assert red > green > blue


@pytest.mark.parametrize("name", CURVES)
def test_the_result_is_tagged_as_the_sdr_that_it_is(
    name: str, clip: Clip, paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    video = probe(clip(name), Limits()).video
    assert video.colour == SDR
    assert video.hdr is not None
    assert (video.hdr.matrix, video.hdr.transfer) == ("bt2020", CODES[name])
    painted = paint_clip(clip(name), tmp_path, 2)
    assert compare(clip(name), painted) == []
    result = probe(painted, Limits()).video
    assert result.colour == SDR
    assert result.hdr is None
    assert np.abs(shown(painted) - shown(clip(name))).mean() <= 1


@pytest.mark.parametrize(("name", "kind"), [("pq.mp4", "PQ"), ("hlg.mp4", "HLG")])
def test_hdr_can_be_refused(name: str, kind: str, clip: Clip) -> None:
    assert any(kind in note for note in probe(clip(name), Limits()).notes)
    with pytest.raises(UnusableMedia, match=rf"HDR \({kind}\)") as caught:
        probe(clip(name), Limits(hdr="refuse"))
    assert "SDR" in caught.value.remedy


def test_a_matrix_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    picture = ffmpeg_input("testsrc2=size=160x96:rate=24:duration=0.1")
    options = {"pix_fmt": "yuv444p", "bsf:v": "h264_metadata=matrix_coefficients=8"}
    source = run_ffmpeg(picture, out=tmp_path / "odd.mp4", vcodec="libx264", **options)
    with pytest.raises(UnusableMedia, match="YCgCo"):
        probe(source, Limits())


X264: dict[str, Any] = {"vcodec": "libx264", "qp": 1}
SOURCES: dict[str, dict[str, Any]] = {
    "yuv420p10le.mp4": X264,
    "yuv422p.mp4": X264,
    "yuv422p10le.mp4": X264,
    "yuv444p.mp4": X264,
    "yuv444p10le.mp4": X264,
    "gray.mp4": X264,
    "gray10le.mp4": X264,
    "gray16be.mov": {"vcodec": "png"},
    "gbrp.avi": {"vcodec": "utvideo"},
    "rgb24.mov": {"vcodec": "qtrle"},
    "rgb48be.mov": {"vcodec": "png"},
    "uyvy422.mov": {"vcodec": "rawvideo"},
    "yuva420p.webm": {"vcodec": "libvpx-vp9", "lossless": 1},
    "yuva444p10le.mov": {"vcodec": "prores_ks"},
    "argb.mov": {"vcodec": "qtrle"},
    "rgba.mov": {"vcodec": "png"},
    "bgra.mkv": {"vcodec": "ffv1"},
}
WITH_ALPHA = ("yuva", "argb", "rgba", "bgra")


@pytest.mark.parametrize("name", SOURCES)
def test_every_kind_of_pixel_keeps_its_colour(name: str, tmp_path: Path) -> None:
    pixels = name.split(".")[0]
    greys = [(0, 0, 0), (100, 100, 100), (255, 255, 255)]
    colours = [] if "gray" in pixels else [(200, 100, 50), (30, 60, 200), (40, 180, 90)]
    is_yuv = pixels.startswith(("yuv", "uyvy"))
    for rgb in greys + colours:
        picture = ffmpeg_input(
            "color=c=0x{:02X}{:02X}{:02X}:size=160x96:rate=24:duration=0.1".format(*rgb)
        ).filter("format", "gbrp")
        if is_yuv:
            picture = picture.filter(
                "scale",
                out_color_matrix="bt601",
                out_range="limited",
                flags="accurate_rnd+full_chroma_int",
            ).filter("format", "yuv444p")
        source = run_ffmpeg(picture, out=tmp_path / name, pix_fmt=pixels, **SOURCES[name])
        assert np.abs(shown(source).mean((0, 1)) - rgb).max() <= 2
        notes = probe(source, Limits()).notes
        assert ("Transparency is left out." in notes) == pixels.startswith(WITH_ALPHA)


def test_a_palette_keeps_its_colours(tmp_path: Path) -> None:
    picture = ffmpeg_input("testsrc2=size=160x96:rate=24:duration=0.1")
    source = run_ffmpeg(picture, out=tmp_path / "pal8.mov", vcodec="png", pix_fmt="pal8")
    manifest = probe(source, Limits())
    frame = next(read_frames(source, manifest, manifest.pts))
    # Small, where it does not matter what 4:2:0 does to single pixels.
    before, after = (
        Image.fromarray(picture.astype(np.uint8)).resize((20, 12), Image.Resampling.BOX)
        for picture in (frame.to_ndarray(format="rgb24"), shown(source))
    )
    assert np.abs(np.asarray(before, float) - np.asarray(after, float)).mean() <= 2
