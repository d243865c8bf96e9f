"""Metadata that more than one place reports, in the form that the UI shows best."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any
from urllib.parse import quote

from dagster import MetadataValue

from stylejobs.config import Settings
from stylejobs.media.manifest import Manifest, VideoTrack
from stylejobs.storage.clips import PAINTED, Clip
from stylejobs.storage.parts import Part

if TYPE_CHECKING:
    import numpy as np


def manifest_facts(clip: Clip, manifest: Manifest, path: str) -> dict[str, Any]:
    video = manifest.video
    facts = {
        "upload": clip.upload_path,
        "path": path,
        "frames": manifest.frame_count,
        "seconds": manifest.duration,
        "frames_per_second": float(video.fps),
        "picture": f"{video.width}×{video.height}",
        "video_codec": video.codec,
        "audio": ", ".join(t.codec for t in manifest.audio) or "none",
        "colour": f"{video.colour.matrix}{'' if video.colour.tagged else ' (untagged, guessed)'}",
        "shards_with_frames": sum(
            manifest.shard_starts[n] < manifest.shard_starts[n + 1]
            for n in range(len(manifest.shard_starts) - 1)
        ),
        **({"left_out": "\n".join(manifest.notes)} if manifest.notes else {}),
    }
    return shown(facts)


def part_facts(part: Part, path: str, reused: bool) -> dict[str, Any]:
    """Figures of a part; its preview, if it has one, as a picture."""
    facts: dict[str, Any] = {
        **part.facts,
        "frames": part.frames,
        "path": path,
        "bytes": part.size,
        "sha256": part.sha256,
        "reused": reused,
    }
    return shown(facts)


# What people look for, in the order in which they do.
_FIRST = (
    *("preview", "moving_preview", "watch", "upload", "style", "frames", "seconds"),
    *("frames_per_second", "real_time_factor", "device", "gpu_use", "reused"),
)


def shown(facts: Mapping[str, Any]) -> dict[str, Any]:
    """``facts`` as metadata: pictures as pictures, times as times, figures without noise.

    The UI shows them in this order.
    """
    facts = {name: facts[name] for name in _FIRST if name in facts} | dict(facts)
    forms: dict[str, Callable[[Any], Any]] = {
        "preview": MetadataValue.md,
        "moving_preview": MetadataValue.md,
        "started_at": MetadataValue.timestamp,
        "ended_at": MetadataValue.timestamp,
    }
    metadata = {
        name: forms[name](value) if name in forms else value for name, value in facts.items()
    }
    return {k: round(v, 4) if isinstance(v, float) else v for k, v in metadata.items()}


def opened_at(settings: Settings, files: Sequence[str]) -> dict[str, Any]:
    """Where people open the first of a clip's results: a link, or a path that the UI copies."""
    if settings.painted_url:
        inside = quote(files[0].removeprefix(f"{PAINTED}/"))
        return {"watch": MetadataValue.url(f"{settings.painted_url.rstrip('/')}/{inside}")}
    if "://" in settings.store:
        return {}
    return {"watch": MetadataValue.path(str(Path(settings.store).resolve() / files[0]))}


class Stopwatch:
    """What a piece of work took, as metadata."""

    def __init__(self) -> None:
        self.started = time.time()

    def facts(self, frames: int, video: VideoTrack) -> dict[str, float]:
        """Figures of work on ``frames`` of a video; speeds only where there were any."""
        ended = time.time()
        seconds = ended - self.started
        facts = {"started_at": self.started, "ended_at": ended, "busy_seconds": seconds}
        if frames and seconds:
            facts["frames_per_second"] = frames / seconds
            # Seconds of video in a second of work: above 1, it is faster than it plays.
            facts["real_time_factor"] = frames / seconds / float(video.fps)
        return facts


class Samples:
    """A few pictures of a shard, evenly spread, for its preview."""

    COUNT = 4

    def __init__(self, frames: int) -> None:
        self._wanted = {(2 * n + 1) * frames // (2 * self.COUNT) for n in range(self.COUNT)}
        self._columns: list[Sequence[np.ndarray]] = []

    def wants(self, index: int) -> bool:
        return index in self._wanted

    def add(self, *pictures: np.ndarray) -> None:
        """Keep the pictures of one moment: the source, or the source and the painted one."""
        self._columns.append(pictures)

    def preview(self) -> Mapping[str, str]:
        """``{"preview": markdown}``, or nothing when no picture was kept."""
        from stylejobs.media.preview import as_markdown, contact_sheet

        if not self._columns:
            return {}
        sheet = contact_sheet(self._columns)
        return {"preview": as_markdown(sheet, "frames of this part")}
