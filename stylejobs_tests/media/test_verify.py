"""The comparison of a result with its source names whatever differs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import ffmpeg
import pytest

from stylejobs.media.errors import UnusableMedia
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare, compare_audio, compare_duration, compare_frames
from stylejobs_tests.conftest import ffmpeg_input, run_ffmpeg

Clip = Callable[[str], Path]
Change = Callable[[av.Packet, int], bool]
TAGS = {"colorspace": "smpte170m", "color_primaries": "smpte170m", "color_trc": "smpte170m"}


@pytest.fixture(scope="module")
def tagged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """48 frames at 24 a second with sound and colour tags, so that its copy equals it."""
    picture = ffmpeg_input("testsrc2=size=160x96:rate=24:duration=2").filter("setparams", **TAGS)
    sound = ffmpeg_input("sine=frequency=440:duration=2")
    out = tmp_path_factory.mktemp("tagged") / "source.mp4"
    return run_ffmpeg(
        picture, sound, out=out, vcodec="libx264", pix_fmt="yuv420p", bf=0, acodec="aac"
    )


def keep(packet: av.Packet, number: int) -> bool:
    return True


def remux(
    source: Path,
    out: Path,
    video: Change = keep,
    audio: Change | None = keep,
    prepare: Callable[[av.VideoStream], None] = lambda stream: None,
) -> Path:
    """Copy ``source``; each packet for which its function says no is left out."""
    with av.open(str(source)) as container, av.open(str(out), "w") as target:
        pictures = container.streams.video[0]
        changes: dict[int, Change] = {pictures.index: video}
        copies = {pictures.index: target.add_stream_from_template(pictures, opaque=True)}
        copies[pictures.index].time_base = pictures.time_base
        prepare(copies[pictures.index])
        for sound in container.streams.audio if audio else ():
            changes[sound.index] = audio
            copies[sound.index] = target.add_stream_from_template(sound, opaque=True)
        seen = dict.fromkeys(copies, 0)
        for packet in container.demux(*(container.streams[n] for n in copies)):
            if packet.size:
                index = packet.stream_index
                seen[index] += 1
                if changes[index](packet, seen[index] - 1):
                    packet.stream = copies[index]
                    target.mux(packet)
    return out


def only_line(lines: list[str], start: str) -> str:
    assert len(lines) == 1, lines
    assert lines[0].startswith(start)
    return lines[0]


def test_a_copy_has_no_difference(tagged: Path, tmp_path: Path) -> None:
    assert compare(tagged, remux(tagged, tmp_path / "copy.mp4")) == []


def test_a_frame_missing_at_the_end_is_named(tagged: Path, tmp_path: Path) -> None:
    short = remux(tagged, tmp_path / "short.mp4", video=lambda _, n: n != 47)
    line = only_line(compare(tagged, short), "frame count")
    assert line == "frame count: 47, the source has 48"


def test_a_frame_missing_in_the_middle_is_named_with_its_place(
    tagged: Path, tmp_path: Path
) -> None:
    short = remux(tagged, tmp_path / "short.mp4", video=lambda _, n: n != 20)
    lines = compare(tagged, short)
    assert lines[0] == "frame count: 47, the source has 48"
    assert lines[1].startswith("frame times: 27 differ, first frame 20: at 0.875000 s")


def test_one_shifted_frame_is_named_with_its_place(tagged: Path, tmp_path: Path) -> None:
    def later(packet: av.Packet, number: int) -> bool:
        if number == 30:
            packet.pts += 1
            packet.dts += 1
        return True

    shifted = remux(tagged, tmp_path / "shifted.mp4", video=later)
    line = only_line(compare(tagged, shifted), "frame times")
    assert line.startswith("frame times: 1 differ, first frame 30: at 1.250081 s, in the source")


def test_missing_sound_is_named(tagged: Path, tmp_path: Path) -> None:
    silent = remux(tagged, tmp_path / "silent.mp4", audio=None)
    line = only_line(compare(tagged, silent), "audio tracks")
    assert line == "audio tracks: 0, the source has 1"


def test_a_missing_audio_packet_is_named(tagged: Path, tmp_path: Path) -> None:
    gap = remux(tagged, tmp_path / "gap.mp4", audio=lambda _, n: n != 40)
    lines = compare(tagged, gap)
    assert lines[0].startswith("audio track 0 packets:")
    assert "first packet 40" in lines[1]


def test_sound_that_comes_late_is_named(tagged: Path, tmp_path: Path) -> None:
    def later(packet: av.Packet, number: int) -> bool:
        packet.pts += 2048
        packet.dts += 2048
        return True

    late = remux(tagged, tmp_path / "late.mp4", audio=later)
    assert only_line(compare(tagged, late), "audio track 0 times")


def test_another_sound_of_the_same_length_is_named(tagged: Path, tmp_path: Path) -> None:
    other = run_ffmpeg(
        ffmpeg.input(str(tagged)).video,
        ffmpeg_input("sine=frequency=550:duration=2"),
        out=tmp_path / "other.mp4",
        vcodec="copy",
        acodec="aac",
    )
    assert only_line(compare(tagged, other), "audio track 0 content")


def test_another_audio_codec_is_named(tagged: Path, tmp_path: Path) -> None:
    other = run_ffmpeg(
        ffmpeg.input(str(tagged)), out=tmp_path / "other.mp4", vcodec="copy", acodec="libmp3lame"
    )
    lines = compare(tagged, other)
    assert "audio track 0 codec: mp3float, the source has aac" in lines


def test_another_language_is_named(clip: Clip, tmp_path: Path) -> None:
    source = clip("two_languages.mp4")
    other = run_ffmpeg(
        ffmpeg.input(str(source)),
        out=tmp_path / "other.mp4",
        c="copy",
        map=0,
        **{"metadata:s:a:1": "language=deu"},
    )
    assert "audio track 1 language: deu, the source has fra" in compare(source, other)


@pytest.mark.parametrize(
    ("change", "line"),
    [
        ({"s": "80x48"}, "size: 80×48, the source shows 160×96"),
        ({"aspect": "4:3"}, "pixel shape: 4:5, the source has 1:1"),
        ({"vf": "setparams=colorspace=bt709"}, "colour matrix: bt709, should be bt601"),
        ({"vf": "setparams=colorspace=unknown"}, "colour matrix: not named, should be bt601"),
        ({"vf": "setparams=range=full"}, "colour range: full, should be limited"),
    ],
)
def test_other_pictures_are_named(
    change: dict[str, str], line: str, tagged: Path, tmp_path: Path
) -> None:
    other = run_ffmpeg(
        ffmpeg.input(str(tagged)),
        out=tmp_path / "other.mp4",
        vcodec="libx264",
        acodec="copy",
        **change,
    )
    assert only_line(compare(tagged, other), line) == line


def test_a_result_that_asks_to_be_turned_is_named(tagged: Path, tmp_path: Path) -> None:
    turned = remux(
        tagged, tmp_path / "turned.mp4", prepare=lambda stream: stream.set_display_rotation(180)
    )
    assert only_line(compare(tagged, turned), "rotation")


def test_a_last_frame_that_stays_too_long_is_named(tagged: Path, tmp_path: Path) -> None:
    def long(packet: av.Packet, number: int) -> bool:
        if number == 47:
            packet.duration *= 10
        return True

    longer = remux(tagged, tmp_path / "longer.mp4", video=long)
    line = only_line(compare(tagged, longer), "duration")
    assert line == "duration: 2.375 s, the source lasts 2.000 s"


@pytest.mark.parametrize("content", [b"", b"no video", None])
def test_an_unreadable_result_is_one_line(
    content: bytes | None, tagged: Path, tmp_path: Path
) -> None:
    broken = tmp_path / "broken.mp4"
    if content is not None:
        broken.write_bytes(content)
    manifest = probe(tagged, Limits())
    assert only_line(compare(tagged, broken), "unreadable: ")
    assert only_line(compare_frames(manifest, broken), "unreadable: ")
    assert only_line(compare_audio(tagged, manifest, broken), "unreadable: ")
    assert only_line(compare_duration(manifest, broken), "unreadable: ")


def test_an_unreadable_source_is_an_error(tagged: Path, tmp_path: Path) -> None:
    (tmp_path / "broken.mp4").write_bytes(b"no video")
    with pytest.raises(UnusableMedia):
        compare(tmp_path / "broken.mp4", tagged)


def test_a_coarser_clock_may_round_but_not_more(tagged: Path, tmp_path: Path) -> None:
    """Matroska counts milliseconds: 1/24 s can only be rounded there."""
    manifest = probe(tagged, Limits())
    rounded = remux(tagged, tmp_path / "rounded.mkv", audio=None)
    assert compare_frames(manifest, rounded) == []

    def later(packet: av.Packet, number: int) -> bool:
        if number == 30:
            packet.pts += 13  # a millisecond
            packet.dts += 13
        return True

    shifted = remux(tagged, tmp_path / "shifted.mkv", video=later, audio=None)
    line = only_line(compare_frames(manifest, shifted), "frame times")
    assert line.startswith("frame times: 1 differ, first frame 30")


def test_each_part_can_be_compared_alone(tagged: Path, tmp_path: Path) -> None:
    manifest = probe(tagged, Limits())
    silent = remux(tagged, tmp_path / "silent.mp4", audio=None)
    assert compare_frames(manifest, silent) == []
    assert compare_duration(manifest, silent) == []
    assert compare_audio(tagged, manifest, silent) == ["audio tracks: 0, the source has 1"]
