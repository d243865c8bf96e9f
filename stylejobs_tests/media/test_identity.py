"""A model that changes nothing gives back the colours of the source, whatever these are made of."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import ffmpeg
import numpy as np
import pytest

from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import run_ffmpeg

WIDTH, HEIGHT, HOLD = 64, 48, 2  # pixels, frames that a patch lasts
_TAGS = {"bt601": "smpte170m", "bt709": "bt709", "bt2020": "bt2020nc"}
_PIXELS = {8: "yuv444p", 10: "yuv444p10le"}


def patches_clip(out: Path, matrix: str, full_range: bool, bits: int) -> Path:
    """One flat colour after the other, of 8-bit samples that are colours of RGB."""
    luma, chroma = ((16, 235), (32, 224)) if not full_range else ((0, 255), (16, 240))
    random = np.random.default_rng(5)
    samples = np.column_stack(
        [random.integers(*luma, 200), random.integers(*chroma, 200), random.integers(*chroma, 200)]
    )
    rgb = to_rgb(samples, matrix, full_range)
    chosen = samples[((rgb > 4) & (rgb < 251)).all(1)][:16].astype(np.uint16) << (bits - 8)
    frames = np.empty((len(chosen), HOLD, 3, HEIGHT, WIDTH), "<u2" if bits > 8 else "u1")
    frames[:] = chosen[:, None, :, None, None]
    raw = out.with_suffix(".yuv")
    raw.write_bytes(frames.tobytes())
    source = ffmpeg.input(
        str(raw), f="rawvideo", pix_fmt=_PIXELS[bits], s=f"{WIDTH}x{HEIGHT}", r=24
    ).filter("setparams", colorspace=_TAGS[matrix], range="full" if full_range else "limited")
    return run_ffmpeg(source, out=out, vcodec="libx264", qp=0)


def to_rgb(samples: np.ndarray, matrix: str, full_range: bool) -> np.ndarray:
    """(N, 3) 8-bit Y, Cb, Cr as R'G'B', 0 to 255, as the standards have it."""
    red, blue = {"bt601": (0.299, 0.114), "bt709": (0.2126, 0.0722), "bt2020": (0.2627, 0.0593)}[
        matrix
    ]
    scale = (255, 255) if full_range else (219, 224)
    y = (samples[:, 0] - (0 if full_range else 16)) / scale[0]
    cb, cr = ((samples[:, n] - 128.0) / scale[1] for n in (1, 2))
    r, b = y + cr * (2 - 2 * red), y + cb * (2 - 2 * blue)
    g = (y - red * r - blue * b) / (1 - red - blue)
    return 255 * np.stack([r, g, b], 1)


def shown(path: Path) -> np.ndarray:
    """The mean R'G'B' of each frame, 0 to 255, unrounded, as the file's tags say."""
    import av

    colour = probe(path, Limits()).video.colour
    means = []
    with av.open(path) as container:
        for frame in container.decode(video=0):
            bits = frame.format.components[0].bits
            planes = [
                np.frombuffer(p, "<u2" if bits > 8 else "u1").reshape(p.height, -1)[:, : p.width]
                for p in frame.planes
            ]
            means.append([plane.mean() / (1 << (bits - 8)) for plane in planes])
    return to_rgb(np.array(means), colour.matrix, colour.full_range)


@pytest.mark.parametrize("bits", [8, 10])
@pytest.mark.parametrize("full_range", [False, True])
@pytest.mark.parametrize("matrix", ["bt601", "bt709", "bt2020"])
def test_flat_patches_come_back_within_a_fifth_of_a_step(
    matrix: str,
    full_range: bool,
    bits: int,
    paint_clip: Callable[[Path, Path, int], Path],
    tmp_path: Path,
) -> None:
    source = patches_clip(tmp_path / "source.mp4", matrix, full_range, bits)
    painted = paint_clip(source, tmp_path, 1)
    assert compare(source, painted) == []
    error = np.abs(shown(painted) - shown(source))
    assert error.mean() <= 0.2
