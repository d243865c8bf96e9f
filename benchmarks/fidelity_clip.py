"""One clip of ``benchmarks.fidelity``, in a process of its own; prints verdict and reason."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
from imageio_ffmpeg import get_ffmpeg_exe

from stylejobs.media.decode import read_frames
from stylejobs.media.encode import MEZZANINE, EncoderSettings, SegmentWriter
from stylejobs.media.errors import FramesMismatch, UnusableMedia
from stylejobs.media.guard import probe_guarded
from stylejobs.media.manifest import Manifest
from stylejobs.media.mux import final_suffix, mux_with_sound
from stylejobs.media.normalise import normalised_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.media.subtitles import LeftOut
from stylejobs.media.verify import compare
from stylejobs.scoring.engine import paint
from stylejobs.scoring.scorer import IdentityScorer

_LOOKS_ALIKE = 10.0  # mean difference of thumbnails, 0 to 255
_CELL = 8  # pixels of the picture in one of a thumbnail: what 4:2:0 does does not show
_SHOW_SECONDS = 120.0


def main() -> None:
    clip, shards = Path(sys.argv[1]), int(sys.argv[2])
    try:
        manifest = probe_guarded(clip, Limits(shards=shards, min_shard_frames=1), 120.0)
        with TemporaryDirectory() as folder:
            result, left_out = _through_the_pipeline(clip, manifest, Path(folder))
            differences = compare(clip, result, {each.stream for each in left_out})
            differences += _picture_differences(clip, manifest, result)
    except (UnusableMedia, FramesMismatch, TimeoutError) as refusal:
        print(f"refused {refusal}")
        return
    if differences:
        print(f"WRONG {'; '.join(differences)}")
    else:
        print(f"exact {manifest.frame_count} frames {' '.join(manifest.notes)}")


def _through_the_pipeline(
    clip: Path, manifest: Manifest, folder: Path
) -> tuple[Path, tuple[LeftOut, ...]]:
    segments = []
    for shard in range(len(manifest.shard_starts) - 1):
        pts = manifest.shard_pts(shard)
        if not pts:
            continue
        frames, styled = folder / f"frames{shard}.mp4", folder / f"styled{shard}.mp4"
        with SegmentWriter(frames, manifest.video, pts, MEZZANINE) as writer:
            for frame in normalised_frames(clip, manifest, pts):
                writer.write(frame)
        cut = probe(frames, Limits())
        with SegmentWriter(styled, manifest.video, pts, EncoderSettings()) as writer:
            source = read_frames(frames, cut, cut.pts)
            paint(source, IdentityScorer(), writer, manifest.video.colour)
        segments.append(styled)
    result = folder / f"final{final_suffix(manifest)}"
    return result, mux_with_sound(manifest, clip, segments, result)


def _picture_differences(clip: Path, manifest: Manifest, result: Path) -> list[str]:
    """Whether ffmpeg shows the same pictures for both, seen from afar."""
    before = _thumbnails(clip, manifest, manifest.video.stream)
    after = _thumbnails(result, manifest, 0)
    if len(before) == 0:  # ffmpeg cannot show it, or needs too long
        return []
    if len(after) != len(before):
        return [f"ffmpeg shows {len(after)} pictures, of the source {len(before)}"]
    if manifest.video.hdr:  # it does not map tones
        return []
    distances = np.abs(before - after).mean((1, 2))
    wrong = np.flatnonzero(distances > _LOOKS_ALIKE)
    if len(wrong) == 0:
        return []
    first = int(wrong[0])
    return [f"{len(wrong)} pictures look different, first {first}: by {distances[first]:.1f}"]


def _thumbnails(path: Path, manifest: Manifest, stream: int) -> np.ndarray:
    """Every picture as the ffmpeg program shows it: turned, in RGB, very small.

    Returns (frames, cells, 3) int16; no frames if ffmpeg fails.
    """
    video = manifest.video
    side = "full" if video.colour.full_range else "limited"
    width, height = (min(16, max(1, n // _CELL)) for n in (video.width, video.height))
    # RGB first: scaled along with its colours, each sampling of chroma lies somewhere else.
    rgb = f"scale=in_color_matrix={video.colour.matrix}:in_range={side}:flags=accurate_rnd"
    small = f"{rgb},format=gbrp,scale={width}:{height}:flags=area,format=rgb24"
    command = [
        *(get_ffmpeg_exe(), "-v", "error", "-nostdin", "-i", f"file:{path.resolve()}"),
        *("-map", f"0:{stream}", "-fps_mode", "passthrough"),
        *("-vf", small, "-f", "rawvideo", "-"),
    ]
    try:
        run = subprocess.run(command, capture_output=True, timeout=_SHOW_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        return np.zeros((0, width * height, 3), np.int16)
    size = width * height * 3
    content = run.stdout[: len(run.stdout) // size * size]
    return np.frombuffer(content, np.uint8).reshape(-1, width * height, 3).astype(np.int16)


if __name__ == "__main__":
    main()
