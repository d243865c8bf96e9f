"""What is in a file beside pictures and sound: subtitles, chapters, titles, cover art."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import ffmpeg
import pytest
from av.stream import Disposition

from stylejobs.media.mux import mux
from stylejobs.media.probe import Limits, probe
from stylejobs.media.streams import about
from stylejobs.media.subtitles import says, take_subtitles
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import ffmpeg_input, pattern, run_ffmpeg, tone

Paint = Callable[..., Path]

_CUES = [(0.3, 0.8, "Hello <i>world</i>"), (0.9, 1.7, "Grüße")]
_VIDEO = {"vcodec": "libx264", "preset": "ultrafast", "pix_fmt": "yuv420p", "acodec": "aac"}
_SAID = {
    **{"metadata:s:a:0": "language=eng", "metadata:s:1": "title=Stereo"},
    **{"metadata:s:a:1": "language=fra", "metadata:s:2": "title=Director"},
    **{"metadata:s:s:0": "language=ita", "metadata:s:3": "title=Full"},
    **{"metadata:s:s:1": "language=deu", "metadata:s:4": "title=Signs"},
    "disposition:a:0": "0",
    "disposition:a:1": "default+comment",
    "disposition:s:0": "0",
    "disposition:s:1": "default+forced",
}


@pytest.fixture
def srt(tmp_path: Path) -> Any:
    text = "\n".join(
        f"{n}\n00:00:0{start:.3f} --> 00:00:0{end:.3f}\n{words}\n".replace(".", ",")
        for n, (start, end, words) in enumerate(_CUES, 1)
    )
    (tmp_path / "cues.srt").write_text(text)
    return ffmpeg.input(str(tmp_path / "cues.srt"))


_CHAPTERS = [(0.1, 0.9, "One"), (0.9, 1.5, "Zwei ü"), (1.5, 2.0, "Three")]  # seconds
_FACTS = {
    **{"title": "My film", "artist": "Me", "comment": "c", "date": "2020"},
    "creation_time": "2021-02-03T04:05:06.000000Z",
}


def described(video: Path, out: Path) -> Path:
    """A copy with chapters, the first of which starts late, and global metadata."""
    with av.open(video) as source, av.open(out, "w") as target:
        copies = {s.index: target.add_stream_from_template(s, opaque=True) for s in source.streams}
        target.metadata.update(_FACTS)
        target.set_chapters(
            [
                {
                    "id": n,
                    "start": round(start * 1000),
                    "end": round(end * 1000),
                    "time_base": Fraction(1, 1000),
                    "metadata": {"title": title},
                }
                for n, (start, end, title) in enumerate(_CHAPTERS)
            ]
        )
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
    return out


def cues(video: Path, track: int = 0) -> list[float]:
    """When each cue of a subtitle track appears, seconds."""
    with av.open(video) as container:
        stream = container.streams.subtitles[track]
        return [
            float(packet.pts * packet.time_base)
            for packet in container.demux(stream)
            if packet.size and says(stream.codec_context.name, bytes(packet))
        ]


def subtitle_codecs(video: Path) -> list[str]:
    with av.open(video) as container:
        return [stream.codec_context.name for stream in container.streams.subtitles]


@pytest.mark.parametrize("kind", ["srt", "ass", "webvtt"])
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_text_in_matroska(
    kind: str, container: str, srt: Any, paint_clip: Paint, tmp_path: Path
) -> None:
    source = run_ffmpeg(pattern(), srt, out=tmp_path / "source.mkv", scodec=kind, **_VIDEO)
    result = paint_clip(source, tmp_path, 2, container=container)
    assert compare(source, result) == []
    expected = subtitle_codecs(source) if container == "mkv" else ["mov_text"]
    assert subtitle_codecs(result) == expected
    assert cues(result) == [start for start, _, _ in _CUES]


@pytest.mark.parametrize(
    ("container", "codec"), [("mp4", "mov_text"), ("mov", "mov_text"), ("mkv", "srt")]
)
def test_text_in_mp4(
    container: str, codec: str, srt: Any, paint_clip: Paint, tmp_path: Path
) -> None:
    source = run_ffmpeg(pattern(), srt, out=tmp_path / "source.mp4", scodec="mov_text", **_VIDEO)
    result = paint_clip(source, tmp_path, 2, container=container)
    assert compare(source, result) == []
    assert subtitle_codecs(result) == [codec]
    assert cues(result) == cues(source) == [start for start, _, _ in _CUES]


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_languages_titles_and_roles_of_tracks(
    suffix: str, container: str, srt: Any, paint_clip: Paint, tmp_path: Path
) -> None:
    source = run_ffmpeg(
        *(pattern(), tone(), tone(), srt, srt),
        out=tmp_path / f"source{suffix}",
        scodec="mov_text" if suffix == ".mp4" else "srt",
        **_VIDEO,
        **_SAID,
    )
    result = paint_clip(source, tmp_path, 1, container=container)
    assert compare(source, result) == []
    with av.open(result) as file:
        tracks = [about(s) for s in (*file.streams.audio, *file.streams.subtitles)]
    german = "ger" if container == "mov" else "deu"
    assert [(t.tags["language"], t.tags["title"]) for t in tracks] == [
        *(("eng", "Stereo"), ("fra", "Director")),
        *(("ita", "Full"), (german, "Signs")),
    ]
    assert [bool(t.disposition & Disposition.default) for t in tracks] == [False, True] * 2
    if container != "mov":  # MOV has no word for them
        assert tracks[1].disposition & Disposition.comment
        assert tracks[3].disposition & Disposition.forced


@pytest.mark.parametrize("suffix", [".mkv", ".mp4"])
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_chapters_and_metadata(
    suffix: str, container: str, clip: Callable[[str], Path], paint_clip: Paint, tmp_path: Path
) -> None:
    source = described(clip("b_frames.mp4"), tmp_path / f"source{suffix}")
    assert probe(source, Limits()).notes == ()
    result = paint_clip(source, tmp_path, 1, container=container)
    assert compare(source, result) == []
    with av.open(result) as file:
        found = [
            (float(c["start"] * c["time_base"]), c["metadata"]["title"]) for c in file.chapters()
        ]
        facts = {name.lower(): value for name, value in file.metadata.items()}
    late = 0.1 if (suffix, container) == (".mkv", "mkv") else 0.0  # MP4's start at zero
    assert found == [(late, "One"), (0.9, "Zwei ü"), (1.5, "Three")]
    assert {name: facts[name] for name in _FACTS} == _FACTS


def test_cover_art_is_not_taken_for_the_video(paint_clip: Paint, tmp_path: Path) -> None:
    cover = ffmpeg_input("color=red:size=640x480:duration=0.04")
    source = run_ffmpeg(
        *(pattern(), tone(), cover),
        out=tmp_path / "source.mp4",
        **{"c:v:0": "libx264", "preset": "ultrafast", "pix_fmt:v:0": "yuv420p"},
        **{"c:v:1": "mjpeg", "disposition:v:1": "attached_pic"},
    )
    manifest = probe(source, Limits())
    assert (manifest.video.width, manifest.frame_count) == (160, 48)
    assert manifest.notes == ("Stream 2, cover art, is left out.",)
    assert compare(source, paint_clip(source, tmp_path, 1)) == []


_PICTURES = {
    "dvb_subtitle": b"\x20\x00\x0f\x10\x00\x01\x00\x02\x00\x00\xff",
    "dvd_subtitle": b"\x00\x06\x00\x04\x00\xff",
    # A composition of no objects, and the end of it.
    "hdmv_pgs_subtitle": b"\x16\x00\x0b\x00\xa0\x00\x60\x10\x00\x00\x80\x00\x00\x00\x80\x00\x00",
}


def _with_pictures(out: Path, codec: str) -> Path:
    """A video with subtitles that are pictures; made by hand: ffmpeg draws no text."""
    plain = run_ffmpeg(pattern(), tone(), out=out.with_name("plain.mp4"), **_VIDEO)
    with av.open(plain) as source, av.open(out, "w") as target:
        copies = {s.index: target.add_stream_from_template(s, opaque=True) for s in source.streams}
        text = target.add_mux_stream(codec)
        text.time_base = copies[0].time_base
        for packet in source.demux():
            if packet.size:
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
        packet = av.Packet(_PICTURES[codec])
        packet.stream, packet.pts, packet.dts, packet.duration = text, 0, 0, 1000
        packet.time_base = text.time_base
        target.mux(packet)
    return out


def test_pictures_are_kept_where_they_can_be_and_left_out_with_a_note_elsewhere(
    paint_clip: Paint, tmp_path: Path
) -> None:
    source = _with_pictures(tmp_path / "source.mkv", "dvb_subtitle")
    result = paint_clip(source, tmp_path, 1, container="mkv")
    assert subtitle_codecs(result) == ["dvbsub"]
    assert compare(source, result) == []
    assert compare(source, paint_clip(source, tmp_path, 1)) == []
    taken, left_out = take_subtitles(source, probe(source, Limits()), ".mp4", tmp_path)
    assert taken == []
    assert "MP4 cannot hold it" in left_out[0].note
    assert left_out[0].stream == 2


@pytest.mark.parametrize(
    ("name", "codec", "container"),
    [
        ("broadcast.ts", "dvb_subtitle", "mkv"),
        ("disc.mp4", "dvd_subtitle", "mp4"),
        ("disc.mkv", "hdmv_pgs_subtitle", "mkv"),
    ],
)
def test_pictures_of_every_kind_come_along(
    name: str, codec: str, container: str, paint_clip: Paint, tmp_path: Path
) -> None:
    source = _with_pictures(tmp_path / name, codec)
    result = paint_clip(source, tmp_path, 1, container=container)
    assert subtitle_codecs(result) == subtitle_codecs(source)
    assert compare(source, result) == []


def test_lost_titles_are_noticed(clip: Callable[[str], Path], tmp_path: Path) -> None:
    source = described(clip("b_frames.mp4"), tmp_path / "source.mp4")
    bare = run_ffmpeg(
        ffmpeg.input(str(source)), out=tmp_path / "bare.mp4", c="copy", map_metadata=-1
    )
    lines = compare(source, bare)
    assert "title: None, the source has 'My film'" in lines
    assert "artist: None, the source has 'Me'" in lines
    assert "creation_time: None, the source has '2021-02-03T04:05:06'" in lines


@pytest.mark.parametrize(
    ("short", "long"), [("de", "deu"), ("en-US", "eng"), ("zh", "zho"), ("fr", "fra")]
)
def test_short_names_of_languages_are_understood(
    short: str, long: str, paint_clip: Paint, tmp_path: Path
) -> None:
    said = {"metadata:s:a:0": f"language={short}"}
    source = run_ffmpeg(pattern(), tone(), out=tmp_path / "source.mkv", **_VIDEO, **said)
    result = paint_clip(source, tmp_path, 1)
    assert compare(source, result) == []
    assert probe(result, Limits()).audio[0].language == long


def test_a_track_that_cannot_be_converted_does_not_stop_the_video(
    srt: Any, paint_clip: Paint, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    source = run_ffmpeg(pattern(), srt, out=tmp_path / "source.mkv", scodec="srt", **_VIDEO)
    paint_clip(source, tmp_path, 1)
    monkeypatch.setattr("stylejobs.media.subtitles._CONVERSION_SECONDS", 0.001)
    manifest = probe(source, Limits(shards=1))
    result = tmp_path / "short.mp4"
    left_out = mux(manifest, source, [tmp_path / "styled0.mp4"], None, result)
    assert [each.note for each in left_out] == [
        "Subtitle track srt (stream 1) is left out: it could not be converted to mov_text."
    ]
    assert compare(source, result) == ["subtitle tracks: 0, the source has 1"]
    assert compare(source, result, {each.stream for each in left_out}) == []


def test_lost_chapters_and_tracks_are_noticed(srt: Any, paint_clip: Paint, tmp_path: Path) -> None:
    plain = run_ffmpeg(pattern(), tone(), out=tmp_path / "plain.mkv", **_VIDEO)
    text = run_ffmpeg(pattern(), tone(), srt, out=tmp_path / "text.mkv", scodec="srt", **_VIDEO)
    lines = compare(described(text, tmp_path / "source.mkv"), paint_clip(plain, tmp_path, 1))
    assert "subtitle tracks: 0, the source has 1" in lines
    assert "chapters: 0, the source has 3" in lines
