"""Other codecs, pixel formats and containers than the defaults: as exact, as reproducible."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import av
import pytest
from pydantic import ValidationError

from stylejobs.config import Settings
from stylejobs.media.container import Container
from stylejobs.media.encode import Codec, EncoderSettings, PixelFormat
from stylejobs.media.errors import FramesMismatch, UnusableMedia
from stylejobs.media.mux import final_suffix, mux
from stylejobs.media.probe import Limits, probe
from stylejobs.media.verify import compare

Clip = Callable[[str], Path]
Paint = Callable[..., Path]


def decoded_frames(video: Path) -> int:
    with av.open(video) as container:
        return sum(1 for _ in container.decode(video=0))


@pytest.mark.parametrize("codec", ["hevc", "av1"])
@pytest.mark.parametrize("name", ["vfr.mp4", "late_audio.mp4"])
def test_other_codecs_are_exact_and_give_the_same_bytes_twice(
    codec: Codec, name: str, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    results = []
    for run in ("first", "second"):
        (tmp_path / run).mkdir()
        settings = EncoderSettings(codec=codec)
        results.append(paint_clip(clip(name), tmp_path / run, 3, settings))
    assert results[0].read_bytes() == results[1].read_bytes()
    assert compare(clip(name), results[0]) == []
    with av.open(results[0]) as container:
        stream = container.streams.video[0]
        assert stream.codec_context.name in {codec, "libdav1d"}
        assert stream.codec_context.codec_tag == {"hevc": "hvc1", "av1": "av01"}[codec]
    assert decoded_frames(results[0]) == 48


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuv444p", "yuv420p10le"])
def test_every_pixel_format(
    codec: Codec, pixel_format: PixelFormat, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    if (codec, pixel_format) == ("av1", "yuv444p"):
        with pytest.raises(ValidationError, match="4:2:0 only"):
            EncoderSettings(codec=codec, pixel_format=pixel_format)
        return
    settings = EncoderSettings(codec=codec, pixel_format=pixel_format)
    result = paint_clip(clip("silent.mp4"), tmp_path, 2, settings)
    assert compare(clip("silent.mp4"), result) == []
    assert probe(result, Limits()).video.pixel_format == pixel_format


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("pixel_format", ["auto", "yuv420p10le"])
def test_odd_sizes(
    codec: Codec, pixel_format: PixelFormat, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    settings = EncoderSettings(codec=codec, pixel_format=pixel_format)
    assert compare(clip("odd.mp4"), paint_clip(clip("odd.mp4"), tmp_path, 1, settings)) == []


@pytest.mark.parametrize("shards", [24, 48])
def test_hevc_segments_of_one_or_two_frames_become_one_video(
    shards: int, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    """So few frames x265 gives any DTS, which the container refuses in one segment of thirty."""
    result = paint_clip(clip("cfr.mp4"), tmp_path, shards, EncoderSettings(codec="hevc"))
    assert compare(clip("cfr.mp4"), result) == []
    assert decoded_frames(result) == 48


def test_hevc_of_tiny_pictures_is_refused() -> None:
    with pytest.raises(UnusableMedia, match="48×32; HEVC is written from 64 pixels"):
        EncoderSettings(codec="hevc").pixels(48, 32)


@pytest.mark.parametrize("codec", ["h264", "hevc", "av1"])
@pytest.mark.parametrize("container", ["mp4", "mov", "mkv"])
def test_every_container_holds_every_codec(
    codec: Codec, container: Container, clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    settings = EncoderSettings(codec=codec)
    if (codec, container) == ("av1", "mov"):
        with pytest.raises(UnusableMedia, match="MOV file, which cannot hold av1"):
            paint_clip(clip("late_video.mp4"), tmp_path, 2, settings, container)
        return
    result = paint_clip(clip("late_video.mp4"), tmp_path, 2, settings, container)
    assert result.suffix == f".{container}"
    assert compare(clip("late_video.mp4"), result) == []


def test_a_container_that_cannot_hold_the_sound_is_refused(clip: Clip) -> None:
    manifest = probe(clip("wavpack.mkv"), Limits())
    assert final_suffix(manifest) == ".mkv"
    with pytest.raises(UnusableMedia, match="MOV file, which cannot hold wavpack"):
        final_suffix(manifest, container="mov")


def test_segments_of_different_codecs_do_not_become_one_video(
    clip: Clip, paint_clip: Paint, tmp_path: Path
) -> None:
    source = clip("silent.mp4")
    for codec in ("h264", "hevc"):
        (tmp_path / codec).mkdir()
        paint_clip(source, tmp_path / codec, 2, EncoderSettings(codec=codec))
    segments = [tmp_path / "h264/styled0.mp4", tmp_path / "hevc/styled1.mp4"]
    manifest = probe(source, Limits(shards=2, min_shard_frames=1))
    with pytest.raises(FramesMismatch, match="same settings"):
        mux(manifest, source, segments, None, tmp_path / "x.mp4")


def test_settings_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("STYLEJOBS_CODEC", "av1")
    monkeypatch.setenv("STYLEJOBS_PIXEL_FORMAT", "yuv420p10le")
    monkeypatch.setenv("STYLEJOBS_CRF", "30")
    monkeypatch.setenv("STYLEJOBS_CONTAINER", "mkv")
    settings = Settings.from_environment()
    assert settings.container == "mkv"
    assert settings.encoder == EncoderSettings(codec="av1", pixel_format="yuv420p10le", crf=30)
    monkeypatch.setenv("STYLEJOBS_CODEC", "theora")
    with pytest.raises(ValidationError, match="codec"):
        Settings.from_environment()
