"""Sound that is packed in unusual ways is copied all the same, or refused before any work."""

from __future__ import annotations

from collections.abc import Callable
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import pytest

from stylejobs.media.audio import split
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare
from stylejobs_tests.conftest import pattern, run_ffmpeg, tone

Paint = Callable[..., Path]


@pytest.mark.parametrize(
    ("name", "codec"),
    [
        ("a.mov", "pcm_s16be"),
        ("a.mov", "pcm_s24le"),
        ("a.mkv", "pcm_f32le"),
        ("a.avi", "pcm_u8"),
        ("a.avi", "pcm_mulaw"),
        ("a.mxf", "pcm_s16le"),
        ("a.mov", "alac"),
        ("a.mkv", "flac"),
        ("a.ts", "ac3"),
        ("a.ts", "eac3"),
        ("a.ts", "libopus"),
        ("a.mp4", "libmp3lame"),
        ("a.flv", "libmp3lame"),
    ],
)
def test_every_sound_is_copied(name: str, codec: str, paint_clip: Paint, tmp_path: Path) -> None:
    options: dict[str, Any] = {"vcodec": "mpeg2video" if name == "a.mxf" else "libx264"}
    options = {"vcodec": "flv1"} if name == "a.flv" else options
    picture = pattern("25", 0.5).filter("format", "yuv420p")
    source = run_ffmpeg(picture, tone(0.5), out=tmp_path / name, acodec=codec, **options)
    assert compare(source, paint_clip(source, tmp_path, 2)) == []


def test_a_gap_in_raw_sound_is_noticed(paint_clip: Paint, tmp_path: Path) -> None:
    source = run_ffmpeg(
        pattern("25", 1), tone(1), out=tmp_path / "source.mov", vcodec="libx264", acodec="pcm_s16le"
    )
    painted = paint_clip(source, tmp_path, 1)
    late = tmp_path / "late.mkv"
    with av.open(painted) as file, av.open(late, "w") as target:
        copies = {s.index: target.add_stream_from_template(s, opaque=True) for s in file.streams}
        for packet in file.demux():
            if packet.size:
                if packet.stream.type == "audio" and packet.pts * packet.time_base > Fraction(1, 2):
                    packet.pts += round(Fraction(1, 10) / packet.time_base)
                    packet.dts = packet.pts
                packet.stream = copies[packet.stream_index]
                target.mux(packet)
    lines = compare(source, late)
    assert any(line.startswith("audio track 0") for line in lines)


def test_an_audio_track_without_packets_is_left_out(paint_clip: Paint, tmp_path: Path) -> None:
    source = run_ffmpeg(
        pattern("25", 1),
        tone(0.0001).filter("atrim", end_sample=0),
        out=tmp_path / "source.mov",
        vcodec="libx264",
        acodec="pcm_s16le",
    )
    manifest = probe(source, Limits())
    assert manifest.audio == ()
    assert compare(source, paint_clip(source, tmp_path, 1)) == []


def test_frames_of_amr_that_share_a_packet_are_told_apart(tmp_path: Path) -> None:
    frames = [bytes([0x3C]) + bytes(31), bytes([0x04]) + bytes(12), bytes([0x7C])]
    file = tmp_path / "sound.mov"
    with av.open(file, "w") as target:
        stream = target.add_mux_stream("amr_nb", rate=8000)
        stream.time_base = Fraction(1, 8000)
        packet = av.Packet(frames[0])
        packet.stream, packet.time_base, packet.pts, packet.dts = stream, stream.time_base, 0, 0
        target.mux(packet)
    with av.open(file) as source:
        one = next(source.demux(audio=0))
        packed = av.Packet(b"".join(frames))
        packed.stream, packed.time_base, packed.pts = one.stream, Fraction(1, 8000), 320
        parts = split(packed)
    assert [bytes(part) for part in parts] == frames
    assert [part.pts for part in parts] == [320, 480, 640]
