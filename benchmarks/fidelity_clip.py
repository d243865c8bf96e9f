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
from stylejobs.media.verify import compare
from stylejobs.scoring.engine import paint
from stylejobs.scoring.scorer import IdentityScorer

_LOOKS_ALIKE = 6.0


def main() -> None:
    clip, shards = Path(sys.argv[1]), int(sys.argv[2])
    try:
        manifest = probe_guarded(clip, Limits(shards=shards, min_shard_frames=1), 120.0)
        with TemporaryDirectory() as folder:
            result = _through_the_pipeline(clip, manifest, Path(folder))
            differences = compare(clip, result)
            difference = _first_picture_difference(clip, manifest, result)
    except (UnusableMedia, FramesMismatch, TimeoutError) as refusal:
        print(f"refused {refusal}")
        return
    if difference is not None and difference > _LOOKS_ALIKE:
        differences.append(f"the first picture is off by {difference:.1f} on average")
    if differences:
        print(f"WRONG {'; '.join(differences)}")
    else:
        print(f"exact {manifest.frame_count} frames {' '.join(manifest.notes)}")


def _through_the_pipeline(clip: Path, manifest: Manifest, folder: Path) -> Path:
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
    mux_with_sound(manifest, clip, segments, result)
    return result


def _first_picture_difference(clip: Path, manifest: Manifest, result: Path) -> float | None:
    """Mean absolute difference of the first pictures, 0 to 255; None where none is expected."""
    video = manifest.video
    if getattr(video, "hdr", None) or getattr(video, "interlaced", False):
        return None
    before = _first_picture(clip, manifest)
    after = _first_picture(result, manifest)
    if before is None or after is None:
        return None
    return float(np.abs(before.astype(np.int16) - after).mean())


def _first_picture(path: Path, manifest: Manifest) -> np.ndarray | None:
    """The first picture as the ffmpeg program shows it: turned, in RGB; None if it fails."""
    video = manifest.video
    colour = video.colour
    side = "full" if colour.full_range else "limited"
    scale = f"scale=in_color_matrix={colour.matrix}:in_range={side}:flags=accurate_rnd+bicubic"
    stream = video.stream if path.suffix and path.name[:5] != "final" else 0
    command = [
        *(get_ffmpeg_exe(), "-v", "error", "-i", f"file:{path.resolve()}"),
        *("-map", f"0:{stream}", "-frames:v", "1"),
        *("-vf", f"{scale},format=rgb24", "-f", "rawvideo", "-"),
    ]
    output = subprocess.run(command, capture_output=True, timeout=60, check=False).stdout
    if len(output) != video.width * video.height * 3:
        return None
    return np.frombuffer(output, np.uint8).reshape(video.height, video.width, 3)


if __name__ == "__main__":
    main()
