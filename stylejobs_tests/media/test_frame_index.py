from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise
from pathlib import Path

import av
import numpy as np
import pytest

from stylejobs.media.decode import read_frames
from stylejobs.media.errors import FramesMismatch, UnusableMedia
from stylejobs.media.probe import Limits, probe

Clip = Callable[[str], Path]


def decoded_pts(path: Path) -> list[int]:
    """What a player gets: it goes on after packets that it cannot decode."""
    shown = []
    with av.open(str(path)) as container:
        for packet in container.demux(video=0):
            with suppress(av.FFmpegError):
                shown += [f.pts for f in packet.decode() if f.pts is not None]
    return shown


def without_first_keyframe(source: Path, out: Path) -> Path:
    """A recording that begins in the middle of a group of pictures."""
    with av.open(str(source)) as container, av.open(str(out), "w") as target:
        stream = container.streams.video[0]
        copy = target.add_stream_from_template(stream)
        keyframes = 0
        for packet in container.demux(stream):
            keyframes += packet.is_keyframe
            if packet.size and (keyframes > 1 or not packet.is_keyframe):
                packet.stream = copy
                target.mux(packet)
    return out


@pytest.mark.parametrize("name", ["cfr.mp4", "b_frames.mp4", "open_gop.ts", "vfr.mp4", "vp8.webm"])
def test_the_index_is_what_a_decoder_gives(clip: Clip, name: str) -> None:
    assert list(probe(clip(name), Limits()).pts) == decoded_pts(clip(name))


def test_pictures_that_refer_to_what_is_not_there_are_left_out_and_named(
    clip: Clip, tmp_path: Path
) -> None:
    cut = without_first_keyframe(clip("open_gop.ts"), tmp_path / "cut.ts")
    manifest = probe(cut, Limits())
    assert list(manifest.pts) == decoded_pts(cut)
    assert any("refer to what is not in the file" in note for note in manifest.notes)
    assert len(list(read_frames(cut, manifest, manifest.pts))) == manifest.frame_count


def test_an_index_over_the_limit_is_refused(clip: Clip) -> None:
    with pytest.raises(UnusableMedia, match="more than 47 frames"):
        probe(clip("cfr.mp4"), Limits(max_frames=47))


def test_damage_is_named_with_its_time(damaged: Path) -> None:
    manifest = probe(damaged, Limits())
    with pytest.raises(FramesMismatch, match=r"at \d\.\d{3} s"):
        list(read_frames(damaged, manifest, manifest.pts))


def test_repair_gives_every_frame_with_the_last_good_one_in_place_of_the_damaged(
    damaged: Path, clip: Clip
) -> None:
    manifest = probe(damaged, Limits())
    repaired = [f.to_ndarray() for f in read_frames(damaged, manifest, manifest.pts, repair=True)]
    intact = [f.to_ndarray() for f in read_frames(clip("index_first.mp4"), manifest, manifest.pts)]
    assert len(repaired) == len(intact) == 48
    same = [np.array_equal(a, b) for a, b in zip(repaired, intact, strict=True)]
    assert same[0]
    assert not all(same)
    assert sum(np.array_equal(a, b) for a, b in pairwise(repaired)) > 0
