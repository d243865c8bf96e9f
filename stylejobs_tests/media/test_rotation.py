"""Videos that ask players to turn or mirror them come out upright, with nothing left to turn."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import numpy as np
import pytest

from stylejobs.media.colour import to_rgb
from stylejobs.media.decode import read_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import ffmpeg_input, run_ffmpeg


def corner_clip(out: Path) -> Path:
    """160×96, black, with a white top left corner."""
    picture = ffmpeg_input("color=c=black:size=160x96:rate=24:duration=0.25").filter(
        "drawbox", x=0, y=0, w=40, h=24, color="white", t="fill"
    )
    return run_ffmpeg(picture, out=out, vcodec="libx264", pix_fmt="yuv420p")


def turned_copy(source: Path, out: Path, degrees: int, hflip: bool, vflip: bool) -> Path:
    """The same packets in a file that asks players to turn them."""
    with av.open(str(source)) as container, av.open(str(out), "w") as target:
        stream = container.streams.video[0]
        copy = target.add_stream_from_template(stream)
        copy.set_display_rotation(degrees, hflip, vflip)
        for packet in container.demux(stream):
            if packet.size:
                packet.stream = copy
                target.mux(packet)
    return out


def bright_corner(path: Path) -> str:
    manifest = probe(path, Limits())
    frame = next(read_frames(path, manifest, manifest.pts))
    picture = to_rgb(frame, manifest.video.colour).mean(2)
    height, width = picture.shape
    halves = {
        "top left": picture[: height // 4, : width // 4],
        "top right": picture[: height // 4, -width // 4 :],
        "bottom left": picture[-height // 4 :, : width // 4],
        "bottom right": picture[-height // 4 :, -width // 4 :],
    }
    return max(halves, key=lambda name: float(halves[name].mean()))


# What ffmpeg's own player and tool show for these; degrees are counter-clockwise.
@pytest.mark.parametrize(
    ("degrees", "hflip", "vflip", "size"),
    [
        (0, True, False, (160, 96)),
        (0, False, True, (160, 96)),
        (90, False, False, (96, 160)),
        (180, False, False, (160, 96)),
        (270, False, False, (96, 160)),
        (90, True, False, (96, 160)),
        (90, False, True, (96, 160)),
        (270, True, False, (96, 160)),
    ],
)
def test_a_turned_video_comes_out_as_players_show_it(
    degrees: int,
    hflip: bool,
    vflip: bool,
    size: tuple[int, int],
    paint_clip: Callable[[Path, Path, int], Path],
    tmp_path: Path,
) -> None:
    upright = corner_clip(tmp_path / "upright.mp4")
    source = turned_copy(upright, tmp_path / "turned.mp4", degrees, hflip, vflip)
    # ffmpeg's command line turns pictures by itself: the reference.
    import ffmpeg

    shown = run_ffmpeg(ffmpeg.input(str(source)), out=tmp_path / "shown.mp4", vcodec="libx264")
    painted = paint_clip(source, tmp_path, 2)
    video = probe(painted, Limits()).video
    assert (video.width, video.height) == size
    assert video.display_matrix is None
    assert bright_corner(painted) == bright_corner(shown)
    assert compare(source, painted) == []


def test_turning_a_quarter_turns_the_shape_of_the_pixels(
    clip: Callable[[str], Path], paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    source = turned_copy(clip("wide_pixels.mp4"), tmp_path / "turned.mp4", 90, False, False)
    painted = paint_clip(source, tmp_path, 1)
    assert probe(painted, Limits()).video.sample_aspect_ratio == (11, 16)
    assert compare(source, painted) == []


def test_odd_sizes_keep_their_size(
    clip: Callable[[str], Path], paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    painted = paint_clip(clip("odd.mp4"), tmp_path, 2)
    manifest = probe(painted, Limits())
    frame = next(read_frames(painted, manifest, manifest.pts))
    assert np.shape(to_rgb(frame, manifest.video.colour)) == (97, 161, 3)
