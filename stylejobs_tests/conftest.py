"""Clips and styles that the tests share: small, real, made once a session."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest
from imageio_ffmpeg import get_ffmpeg_exe
from safetensors.numpy import save_file

from stylejobs.media.container import Container
from stylejobs.media.decode import read_frames
from stylejobs.media.encode import MEZZANINE, EncoderSettings, SegmentWriter
from stylejobs.media.manifest import Manifest
from stylejobs.media.mux import final_suffix, mux_with_sound
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.scoring.engine import paint
from stylejobs.scoring.scorer import IdentityScorer
from stylejobs.scoring.weights import PUBLISHED_BLOCKS, expected_shapes
from stylejobs_tests.emulator import account, azurite, proxy

__all__ = ["account", "azurite", "proxy"]

SECONDS = 2
_ENCODER = EncoderSettings()
_QUICK = {"vcodec": "libx264", "preset": "ultrafast", "pix_fmt": "yuv420p", "g": 12}
_SOUND = {"acodec": "aac", "audio_bitrate": "48k"}


def ffmpeg_input(source: str, **options: Any) -> Any:
    return ffmpeg.input(source, f="lavfi", **options)


def run_ffmpeg(*streams: Any, out: Path, **options: Any) -> Path:
    """Encode ``streams`` into ``out``; options are ffmpeg's, without the dash."""
    # bitexact: no encoder names and dates, so that a clip is the same on every run.
    command = ffmpeg.output(*streams, str(out), fflags="+bitexact", **options)
    ffmpeg.run(command, cmd=get_ffmpeg_exe(), quiet=True, overwrite_output=True)
    return out


def pattern(rate: str = "24", seconds: float = SECONDS, size: str = "160x96") -> Any:
    return ffmpeg_input(f"testsrc2=size={size}:rate={rate}:duration={seconds}")


def tone(seconds: float = SECONDS, **options: Any) -> Any:
    return ffmpeg_input(f"sine=frequency=440:sample_rate=48000:duration={seconds}", **options)


def _cfr(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, **_QUICK, **_SOUND)


def _ntsc(out: Path) -> None:
    run_ffmpeg(pattern("30000/1001"), tone(), out=out, **_QUICK, **_SOUND)


def _vfr(out: Path) -> None:
    uneven = pattern().filter("settb", "1/90000").filter("setpts", "(N*3003+mod(N*N,7)*251)")
    run_ffmpeg(
        uneven,
        tone(),
        out=out,
        fps_mode="passthrough",
        enc_time_base="1/90000",
        video_track_timescale=90000,
        **_QUICK,
        **_SOUND,
    )


def _b_frames(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, bf=3, **_QUICK, **_SOUND)


def _open_gop(out: Path) -> None:
    options = {"x264-params": "open-gop=1:bframes=3:b-adapt=0:scenecut=0"}
    run_ffmpeg(pattern(), tone(), out=out, **options, **_QUICK, **_SOUND)


def _index_first(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, movflags="+faststart", **_QUICK, **_SOUND)


def _large(out: Path) -> None:
    run_ffmpeg(pattern(size="320x192", seconds=4), tone(4), out=out, bf=2, **_QUICK, **_SOUND)


def _vp8(out: Path) -> None:
    run_ffmpeg(pattern(), out=out, vcodec="libvpx", **{"auto-alt-ref": 1, "lag-in-frames": 16})


def _late_video(out: Path) -> None:
    run_ffmpeg(pattern().filter("setpts", "PTS+0.7/TB"), tone(), out=out, **_QUICK, **_SOUND)


def _late_audio(out: Path) -> None:
    run_ffmpeg(pattern(), tone(itsoffset=0.35), out=out, **_QUICK, **_SOUND)


def _two_languages(out: Path) -> None:
    run_ffmpeg(
        pattern(),
        tone(),
        tone(),
        out=out,
        **_QUICK,
        **_SOUND,
        **{"metadata:s:a:0": "language=eng", "metadata:s:a:1": "language=fra"},
    )


def _single_frame(out: Path) -> None:
    run_ffmpeg(pattern(), out=out, **{"frames:v": 1}, **_QUICK)


def _silent(out: Path) -> None:
    run_ffmpeg(pattern(), out=out, **_QUICK)


def _opus(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, **_QUICK, acodec="libopus")


def _vorbis(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, **_QUICK, acodec="libvorbis")


def _wavpack(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, bf=3, **_QUICK, acodec="wavpack")


def _mpeg_sound(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, **_QUICK, acodec="mp2")


def _windows(out: Path) -> None:
    run_ffmpeg(pattern(), tone(), out=out, vcodec="wmv2", acodec="wmav2")


def _odd(out: Path) -> None:
    options = {**_QUICK, "pix_fmt": "yuv444p"}
    picture = ffmpeg_input(f"testsrc=size=161x97:rate=24:duration={SECONDS}")
    run_ffmpeg(picture, tone(), out=out, **options, **_SOUND)


def _wide_pixels(out: Path) -> None:
    run_ffmpeg(pattern().filter("setsar", "16/11"), out=out, **_QUICK)


def _sound_only(out: Path) -> None:
    run_ffmpeg(tone(), out=out, **_SOUND)


def _picture(out: Path) -> None:
    run_ffmpeg(pattern(), out=out, **{"frames:v": 1})


def interlaced(seconds: float = 1) -> Any:
    """Upright bars that move from field to field: 24 frames a second of two fields each."""
    bars = ffmpeg_input(f"color=c=gray:size=160x96:rate=48:duration={seconds}").filter(
        "geq", lum="40+160*lt(mod(X+3*N,80),40)", cb="128+mod(X+3*N,80)", cr=128
    )
    return bars.filter("tinterlace", "interleave_top").filter("setfield", "tff")


def _interlaced(out: Path) -> None:
    options = {**_QUICK, "crf": 4, "flags": "+ildct+ilme", "x264-params": "tff=1:bframes=2"}
    run_ffmpeg(interlaced(), tone(1), out=out, **options, **_SOUND)


def _interlaced_mpeg(out: Path) -> None:
    options = {"vcodec": "mpeg2video", "qscale:v": 3, "g": 6, "bf": 2, "flags": "+ildct+ilme"}
    run_ffmpeg(interlaced(), tone(1), out=out, **options, acodec="mp2")


def _hdr(out: Path, curve: str) -> None:
    """A ramp of grey, columns 0 to 219 from black to the signal's peak."""
    ramp = (
        ffmpeg_input("nullsrc=size=220x64:rate=24:duration=0.25")
        .filter("format", "yuv420p10le")
        .filter("geq", lum="64+4*X", cb=512, cr=512)
        .filter(
            "setparams",
            color_trc=curve,
            color_primaries="bt2020",
            colorspace="bt2020nc",
            range="limited",
        )
    )
    options = {"x265-params": "lossless=1:log-level=error", "pix_fmt": "yuv420p10le"}
    run_ffmpeg(ramp, out=out, vcodec="libx265", preset="ultrafast", **options)


def _pq(out: Path) -> None:
    _hdr(out, "smpte2084")


def _hlg(out: Path) -> None:
    _hdr(out, "arib-std-b67")


_RECIPES: dict[str, Callable[[Path], None]] = {
    "cfr.mp4": _cfr,
    "ntsc.mp4": _ntsc,
    "vfr.mp4": _vfr,
    "b_frames.mp4": _b_frames,
    "open_gop.mp4": _open_gop,
    "index_first.mp4": _index_first,
    "large.mp4": _large,
    "vp8.webm": _vp8,
    "late_video.mp4": _late_video,
    "late_audio.mp4": _late_audio,
    "two_languages.mp4": _two_languages,
    "single_frame.mp4": _single_frame,
    "silent.mp4": _silent,
    "opus.mkv": _opus,
    "vorbis.mkv": _vorbis,
    "wavpack.mkv": _wavpack,
    "mpeg_sound.ts": _mpeg_sound,
    "windows.wmv": _windows,
    "odd.mp4": _odd,
    "wide_pixels.mp4": _wide_pixels,
    "matroska.mkv": _b_frames,
    "matroska_vfr.mkv": _vfr,
    "stream.ts": _b_frames,
    "open_gop.ts": _open_gop,
    "late_audio.ts": _late_audio,
    "interlaced.mp4": _interlaced,
    "interlaced.ts": _interlaced_mpeg,
    "pq.mp4": _pq,
    "hlg.mp4": _hlg,
    "sound_only.mp4": _sound_only,
    "picture.png": _picture,
}


@pytest.fixture(scope="session")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """Gives the clip of a name; nobody may change it."""
    folder = tmp_path_factory.mktemp("clips")

    def make(name: str) -> Path:
        path = folder / name
        if not path.exists():
            _RECIPES[name](path)
            path.chmod(0o444)
        return path

    return make


@pytest.fixture
def damaged(clip: Callable[[str], Path], tmp_path: Path) -> Path:
    """48 frames, of which some in the middle cannot be decoded."""
    path = tmp_path / "damaged.mp4"
    content = bytearray(clip("index_first.mp4").read_bytes())
    middle = len(content) // 2
    content[middle : middle + 3000] = bytes(3000)
    path.write_bytes(content)
    return path


def random_weights(
    width: int = 4, seed: int = 0, blocks: int = PUBLISHED_BLOCKS
) -> dict[str, np.ndarray]:
    """Weights of a network that was never trained; its pictures fill the range of colours."""
    random = np.random.default_rng(seed)
    weights = {}
    for name, shape in expected_shapes(width, blocks).items():
        if len(shape) == 4:
            spread = 1 / np.sqrt(np.prod(shape[1:]))
            weights[name] = random.normal(0, spread, shape).astype(np.float32)
        else:
            is_norm_weight = name.endswith("weight")
            weights[name] = np.full(shape, 1.0 if is_norm_weight else 0.0, np.float32)
    weights["deconv3.conv2d.weight"] *= 40
    weights["deconv3.conv2d.bias"] += 127
    return weights


@pytest.fixture(scope="session", autouse=True)
def _own_cache(tmp_path_factory: pytest.TempPathFactory) -> Iterator[None]:
    """Keeps the tests, and what they start, out of the user's cache."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("STYLEJOBS_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


@pytest.fixture(scope="session")
def style_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("styles") / "random.safetensors"
    save_file(random_weights(), path, metadata={"title": "Noise", "artist": "Nobody"})
    return path


@pytest.fixture(scope="session")
def vgg_file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Weights of a VGG16 that was never trained: random features tell textures apart, too."""
    import torch

    torch.manual_seed(0)
    layers = {0: (64, 3), 2: (64, 64), 5: (128, 64), 7: (128, 128), 10: (256, 128)}
    layers |= {12: (256, 256), 14: (256, 256), 17: (512, 256), 19: (512, 512), 21: (512, 512)}
    state = {}
    for n, (outputs, inputs) in layers.items():
        weight = torch.randn(outputs, inputs, 3, 3) * (2 / (9 * inputs)) ** 0.5
        state[f"features.{n}.weight"] = weight.half()
        state[f"features.{n}.bias"] = torch.zeros(outputs)
    path = tmp_path_factory.mktemp("vgg") / "vgg16.pth"
    torch.save(state, path)
    return path


@pytest.fixture(scope="session")
def cut_frames() -> Callable[[Path, Manifest, int, Path], Path]:
    """Writes a shard's frames as a lossless segment, as the ``frames`` asset does."""

    def cut(source: Path, manifest: Manifest, shard: int, out: Path) -> Path:
        pts = manifest.shard_pts(shard)
        with SegmentWriter(out, manifest.video, pts, MEZZANINE) as writer:
            for frame in normalised_frames(source, manifest, pts):
                writer.write(frame)
        return out

    return cut


@pytest.fixture(scope="session")
def paint_clip(cut_frames: Callable[[Path, Manifest, int, Path], Path]) -> Callable[..., Path]:
    """Takes a video the whole way, in ``shards`` parts, with a model that changes nothing."""

    def run(
        source: Path,
        folder: Path,
        shards: int = 1,
        settings: EncoderSettings = _ENCODER,
        container: Container = "auto",
    ) -> Path:
        manifest = probe(source, Limits(shards=shards, min_shard_frames=1))
        segments = []
        for shard in range(shards):
            pts = manifest.shard_pts(shard)
            if not pts:
                continue
            lossless = cut_frames(source, manifest, shard, folder / f"frames{shard}.mp4")
            segments.append(folder / f"styled{shard}.mp4")
            cut = probe(lossless, Limits())
            with SegmentWriter(segments[-1], manifest.video, pts, settings) as writer:
                frames = read_frames(lossless, cut, cut.pts)
                paint(frames, IdentityScorer(), writer, manifest.video.colour)
        out = folder / f"final{final_suffix(manifest, settings.codec, container)}"
        mux_with_sound(manifest, source, segments, out)
        return out

    return run
