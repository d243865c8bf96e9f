"""What strangers upload: files that are no video, that lie, or have awkward names."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from stylejobs.media.errors import UnusableMedia
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare

Clip = Callable[[str], Path]
NAMES = ["a b.mp4", 'it\'s "x".mp4', "日本 é.mp4", "a|b.mp4", "-i.mp4", "a:b.mp4", "100%d.mp4"]


def refusal(path: Path, limits: Limits | None = None) -> UnusableMedia:
    with pytest.raises(UnusableMedia) as caught:
        probe(path, limits or Limits())
    assert caught.value.reason.endswith(".")
    assert caught.value.remedy.endswith(".")
    assert str(path.parent) not in str(caught.value)
    return caught.value


def test_an_empty_file_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "empty.mp4"
    file.touch()
    assert "empty" in refusal(file).reason


@pytest.mark.parametrize("content", [b"just some text\n" * 100, bytes(10_000), b"\x00"])
def test_a_file_that_is_no_video_is_refused(content: bytes, tmp_path: Path) -> None:
    file = tmp_path / "fake.mp4"
    file.write_bytes(content)
    assert "no video" in refusal(file).reason


def test_sound_without_pictures_is_refused(clip: Clip) -> None:
    assert "no video track" in refusal(clip("sound_only.mp4")).reason


def test_a_still_picture_is_refused(clip: Clip, tmp_path: Path) -> None:
    for name in ("picture.png", "picture.mp4"):
        file = tmp_path / name
        shutil.copy(clip("picture.png"), file)
        refusal(file)


def test_an_mp4_cut_off_before_its_index_is_refused(clip: Clip, tmp_path: Path) -> None:
    content = clip("cfr.mp4").read_bytes()
    file = tmp_path / "cut.mp4"
    file.write_bytes(content[: content.rindex(b"moov") - 4])
    refusal(file)


def test_playlists_and_scripts_open_no_other_file(clip: Clip, tmp_path: Path) -> None:
    shutil.copy(clip("stream.ts"), tmp_path / "other.ts")
    playlist = "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\nother.ts\n#EXT-X-ENDLIST\n"
    script = f"ffconcat version 1.0\nfile '{tmp_path / 'other.ts'}'\n"
    scripts = {"list.m3u8": playlist, "list.mp4": playlist, "a.ffconcat": script, "b.mp4": script}
    for name, content in scripts.items():
        file = tmp_path / name
        file.write_text(content)
        refusal(file)


def test_sound_that_no_result_could_hold_is_refused(clip: Clip) -> None:
    refused = refusal(clip("windows.wmv"))
    assert "wmav2" in refused.reason
    assert "AAC" in refused.remedy


@pytest.mark.parametrize(
    ("limits", "word"),
    [
        (Limits(max_bytes=1000), "bytes"),
        (Limits(max_frames=10), "frames"),
        (Limits(max_seconds=1), "lasts 2 s"),
        (Limits(max_pixels=100), "160×96"),
    ],
)
def test_a_video_over_a_limit_is_refused(limits: Limits, word: str, clip: Clip) -> None:
    assert word in refusal(clip("cfr.mp4"), limits).reason


@pytest.mark.parametrize("name", NAMES)
def test_awkward_names_are_only_names(
    name: str, clip: Clip, paint_clip: Callable[[Path, Path, int], Path], tmp_path: Path
) -> None:
    file = tmp_path / name
    shutil.copy(clip("cfr.mp4"), file)
    assert compare(file, paint_clip(file, tmp_path, 1)) == []


def test_a_relative_path_with_a_leading_dash_is_a_file(
    clip: Clip, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copy(clip("cfr.mp4"), tmp_path / "-i.mp4")
    monkeypatch.chdir(tmp_path)
    assert probe(Path("-i.mp4"), Limits()).frame_count == 48


def test_the_same_file_gives_the_same_manifest(clip: Clip) -> None:
    for name in ("vfr.mp4", "open_gop.ts", "vorbis.mkv"):
        assert probe(clip(name), Limits()) == probe(clip(name), Limits())
