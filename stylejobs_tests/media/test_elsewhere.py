"""Media that is not on this machine is read as if it were."""

from collections.abc import Callable
from pathlib import Path

import pytest

from stylejobs.media.audio import extract_audio
from stylejobs.media.decode import read_frames
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.guard import probe_guarded
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs.ranged_file import RangedFile
from stylejobs_tests.conftest import pattern, run_ffmpeg

Clip = Callable[[str], Path]


def elsewhere(content: bytes, name: str) -> RangedFile:
    def read_at(position: int, length: int) -> bytes:
        return content[position : position + min(length, 10_000)]

    return RangedFile(name, len(content), read_at)


@pytest.mark.parametrize(
    "name", ["cfr.mp4", "index_first.mp4", "matroska_vfr.mkv", "stream.ts", "vp8.webm"]
)
def test_it_has_the_same_manifest(clip: Clip, name: str) -> None:
    path = clip(name)
    assert probe(elsewhere(path.read_bytes(), name), Limits()) == probe(path, Limits())


def test_so_has_a_bare_stream(tmp_path: Path) -> None:
    bare = run_ffmpeg(pattern(), out=tmp_path / "bare.h264", preset="ultrafast")
    assert probe(elsewhere(bare.read_bytes(), bare.name), Limits()) == probe(bare, Limits())


def test_its_frames_and_sound_are_the_same(clip: Clip, tmp_path: Path) -> None:
    path = clip("open_gop.mp4")
    other = elsewhere(path.read_bytes(), path.name)
    manifest = probe(path, Limits())
    wanted = manifest.pts[20:30]
    frames = [f.to_ndarray().tobytes() for f in read_frames(other, manifest, wanted)]
    assert frames == [f.to_ndarray().tobytes() for f in read_frames(path, manifest, wanted)]
    files = [tmp_path / "there.mp4", tmp_path / "here.mp4"]
    for source, out in zip((other, path), files, strict=True):
        extract_audio(source, manifest, out)
    assert files[0].read_bytes() == files[1].read_bytes()
    assert compare(other, path) == compare(path, path)


def test_a_process_of_its_own_probes_it_through_this_one(clip: Clip) -> None:
    path = clip("cfr.mp4")
    other = elsewhere(path.read_bytes(), path.name)
    assert probe_guarded(other, Limits(), 60) == probe(path, Limits())
    with pytest.raises(TimeoutError):
        probe_guarded(other, Limits(), 0.01)


def test_what_is_cut_off_or_empty_is_refused(clip: Clip) -> None:
    content = clip("index_first.mp4").read_bytes()
    with pytest.raises(UnusableMedia, match="its last 9 bytes are missing"):
        probe(elsewhere(content[:-9], "a.mp4"), Limits())
    with pytest.raises(UnusableMedia, match="empty"):
        probe(elsewhere(b"", "a.mp4"), Limits())


def test_a_playlist_opens_no_other_file(clip: Clip) -> None:
    content = f"#EXTM3U\n#EXTINF:2,\nfile:{clip('stream.ts')}\n#EXT-X-ENDLIST\n".encode()
    with pytest.raises(UnusableMedia):
        probe(elsewhere(content, "a.m3u8"), Limits())
