"""What is damaged is named with its time or repaired; how a recording begins is no damage."""

from __future__ import annotations

from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from stylejobs.media.decode import read_frames
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import pattern, run_ffmpeg

PACKET = 188  # bytes of MPEG-TS
CODECS: dict[str, dict[str, Any]] = {
    "mpeg2video": {"bf": 2, "g": 12, "b:v": "900k"},
    "libx264": {"preset": "ultrafast", "g": 12, "pix_fmt": "yuv420p", "x264-params": "open-gop=1"},
}


@pytest.fixture(params=CODECS)
def broadcast(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    picture = pattern("25", 3, size="320x192")
    return run_ffmpeg(
        picture, out=tmp_path / "whole.ts", vcodec=request.param, **CODECS[request.param]
    )


def without(source: Path, start: float, count: int) -> Path:
    """A copy that lacks ``count`` packets from a place on, 0 to 1."""
    content = source.read_bytes()
    at = int(len(content) / PACKET * start) * PACKET
    out = source.with_name("lossy.ts")
    out.write_bytes(content[:at] + content[at + count * PACKET :])
    return out


def test_pictures_that_the_decoder_made_up_are_damage(broadcast: Path) -> None:
    lossy = without(broadcast, 0.5, 6)
    manifest = probe(lossy, Limits())
    with pytest.raises(FramesMismatch, match=r"frame at [12]\.\d+ s cannot be decoded"):
        list(read_frames(lossy, manifest, manifest.pts))


def test_they_are_replaced_by_the_last_good_one_where_that_is_asked_for(broadcast: Path) -> None:
    lossy = without(broadcast, 0.5, 6)
    manifest = probe(lossy, Limits())
    frames = [f.to_ndarray() for f in read_frames(lossy, manifest, manifest.pts, repair=True)]
    assert len(frames) == manifest.frame_count
    assert any(np.array_equal(a, b) for a, b in pairwise(frames))


def test_a_recording_may_begin_anywhere(
    broadcast: Path, paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    """The first pictures refer to what was never recorded: players skip them."""
    content = broadcast.read_bytes()
    tables = content[: 3 * PACKET]
    for start in (0.13, 0.29, 0.41):
        late = tmp_path / "late.ts"
        at = int(len(content) / PACKET * start) * PACKET
        late.write_bytes(tables + content[at:])
        manifest = probe(late, Limits())
        assert 30 <= manifest.frame_count < 75
        assert compare(late, paint_clip(late, tmp_path, 3)) == []


def test_the_second_field_of_a_picture_is_no_damage(tmp_path: Path) -> None:
    """Decoders of several threads mark such pictures at random."""
    fields = pattern("25", 2, size="320x192").filter("tinterlace", "interleave_top")
    options = {"x264-params": "tff=1:bframes=2:threads=2", "flags": "+ildct+ilme"}
    source = run_ffmpeg(fields, out=tmp_path / "fields.ts", vcodec="libx264", g=12, **options)
    manifest = probe(source, Limits())
    assert len(list(read_frames(source, manifest, manifest.pts))) == manifest.frame_count


def test_a_recording_may_end_in_the_middle_of_a_picture(broadcast: Path) -> None:
    content = broadcast.read_bytes()
    cut = broadcast.with_name("cut.ts")
    for end in (0.71, 0.83):
        cut.write_bytes(content[: int(len(content) / PACKET * end) * PACKET])
        manifest = probe(cut, Limits())
        assert len(list(read_frames(cut, manifest, manifest.pts))) == manifest.frame_count
