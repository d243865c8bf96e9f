"""Reading part of a video gives the same pictures as reading all of it, or fails loudly."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from stylejobs.media.decode import read_frames
from stylejobs.media.encode import EncoderSettings, SegmentWriter
from stylejobs.media.errors import FramesMismatch
from stylejobs.media.manifest import Manifest
from stylejobs.media.probe import Limits, probe

Clip = Callable[[str], Path]


def decode(path: Path, manifest: Manifest, pts: Sequence[int]) -> list[tuple[int, np.ndarray]]:
    return [(frame.pts, frame.to_ndarray()) for frame in read_frames(path, manifest, pts)]


@pytest.mark.parametrize(
    "name",
    ["b_frames.mp4", "open_gop.mp4", "vfr.mp4", "late_video.mp4", "matroska.mkv", "open_gop.ts"],
)
def test_any_range_equals_the_same_part_of_the_full_decode(name: str, clip: Clip) -> None:
    path = clip(name)
    manifest = probe(path, Limits())
    with av.open(str(path)) as container:
        full = [(frame.pts, frame.to_ndarray()) for frame in container.decode(video=0)]
    assert [pts for pts, _ in full] == list(manifest.pts)
    for start, end in [(0, 5), (1, 2), (11, 14), (12, 24), (20, 33), (23, 37), (30, 48), (47, 48)]:
        part = decode(path, manifest, manifest.pts[start:end])
        assert [pts for pts, _ in part] == list(manifest.pts[start:end])
        for (_, have), (_, want) in zip(part, full[start:end], strict=True):
            assert np.array_equal(have, want)


def test_reading_no_frames_gives_none(clip: Clip) -> None:
    manifest = probe(clip("cfr.mp4"), Limits())
    assert list(read_frames(clip("cfr.mp4"), manifest, ())) == []


def test_a_frame_that_the_file_lacks_is_named(clip: Clip) -> None:
    manifest = probe(clip("cfr.mp4"), Limits())
    wanted = [*manifest.pts[20:24], manifest.pts[24] + 1]
    with pytest.raises(FramesMismatch, match=r"frame at 1\.000 s"):
        list(read_frames(clip("cfr.mp4"), manifest, wanted))


def test_a_frame_too_many_in_the_file_is_noticed(clip: Clip) -> None:
    manifest = probe(clip("cfr.mp4"), Limits())
    wanted = [*manifest.pts[20:24], *manifest.pts[25:30]]
    with pytest.raises(FramesMismatch):
        list(read_frames(clip("cfr.mp4"), manifest, wanted))


@pytest.mark.parametrize("name", ["cfr.mp4", "matroska.mkv", "stream.ts"])
def test_a_file_cut_short_after_it_was_indexed_is_noticed(
    name: str, clip: Clip, tmp_path: Path
) -> None:
    manifest = probe(clip(name), Limits())
    content = clip(name).read_bytes()
    short = tmp_path / name
    # MP4 has its index at the end: there, zeros stand for the lost part.
    lost = len(content) // 2
    short.write_bytes(content[:lost] if name != "cfr.mp4" else _damaged(content))
    with pytest.raises(FramesMismatch):
        list(read_frames(short, manifest, manifest.pts))


def _damaged(content: bytes) -> bytes:
    half, index = len(content) // 3, content.rindex(b"moov")
    return content[:half] + bytes(index - 4 - half) + content[index - 4 :]


def test_a_segment_with_fewer_frames_than_announced_is_an_error(clip: Clip, tmp_path: Path) -> None:
    path = clip("cfr.mp4")
    manifest = probe(path, Limits())
    pts = manifest.pts[:10]
    writer = SegmentWriter(tmp_path / "short.mp4", manifest.video, pts, EncoderSettings())
    with pytest.raises(ValueError, match="9 of 10"), writer:
        for frame in read_frames(path, manifest, pts[:9]):
            writer.write(frame)


def test_the_manifest_names_the_frames_and_the_sound(clip: Clip) -> None:
    manifest = probe(clip("ntsc.mp4"), Limits())
    assert manifest.frame_count == 60
    assert [pts * manifest.video.tick for pts in manifest.pts] == [
        n * Fraction(1001, 30000) for n in range(60)
    ]
    assert (manifest.video.width, manifest.video.height) == (160, 96)
    assert [track.codec for track in manifest.audio] == ["aac"]
    assert Manifest.model_validate_json(manifest.model_dump_json()) == manifest
