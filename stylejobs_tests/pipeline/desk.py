"""What a person and Dagster's daemon do to the pipeline, without waiting for either."""

from __future__ import annotations

import json
import shutil
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from dagster import (
    AssetKey,
    DagsterInstance,
    ExecuteInProcessResult,
    RunRequest,
    SensorDefinition,
    SensorResult,
    build_sensor_context,
)

from stylejobs.definitions import defs
from stylejobs.partitions import clips
from stylejobs.resources import StudioResource
from stylejobs.sensors import inbox
from stylejobs.storage.clips import PAINTED, Clip
from stylejobs.studio import Studio

STYLE = "tiny"


def studio_of_environment() -> Studio:
    return StudioResource().get()


@dataclass
class Desk:
    """A desk at which a test drops videos, lets the sensor look, and starts runs."""

    studio: Studio
    instance: DagsterInstance
    folder: Path
    sensor: SensorDefinition = inbox
    cursor: str | None = None
    requests: list[RunRequest] = field(default_factory=list)

    def drop(self, video: Path, name: str | None = None, style: str = STYLE) -> Clip:
        """Put a copy of ``video`` in the inbox, in place of what was there."""
        clip = Clip(style=style, name=name or video.name)
        self.put(video, clip.upload_path)
        return clip

    def put(self, file: Path, path: str) -> None:
        """Copy ``file`` to ``path`` in the store, in place of what was there, at once."""
        with self.studio.store.scratch() as folder:
            copy = Path(shutil.copyfile(file, folder / "copy"))
            self.studio.store.publish(copy, path)

    def look(self) -> SensorResult:
        """Evaluate the sensor, without doing what it asks for."""
        context = build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"studio": StudioResource()}
        )
        result = self.sensor(context)
        assert isinstance(result, SensorResult)
        return result

    def tick(self, times: int = 1) -> SensorResult:
        """Evaluate the sensor and do as the daemon does; runs are only noted."""
        for _ in range(times):
            result = self.look()
            for request in result.dynamic_partitions_requests or ():
                self.instance.add_dynamic_partitions(clips.name, list(request.partition_keys))
            for event in result.asset_events or ():
                self.instance.report_runless_asset_event(event)
            self.requests += result.run_requests or ()
            self.cursor = result.cursor
        return result

    def run(
        self,
        job: str,
        clip: Clip,
        shards: tuple[int, int] | None = None,
        assets: Sequence[str] = (),
        config: dict[str, Any] | None = None,
        raises: bool = True,
        tags: Mapping[str, str] | None = None,
    ) -> ExecuteInProcessResult:
        """Run a job for a clip, or for a range of its shards, ends included."""
        tags = dict(tags or {})
        if shards is not None:
            first, last = (f"{clip.key}|{shard:02d}" for shard in shards)
            tags = {
                "dagster/asset_partition_range_start": first,
                "dagster/asset_partition_range_end": last,
                **tags,
            }
        definition = defs.resolve_job_def(job)
        return definition.execute_in_process(
            partition_key=clip.key if shards is None else None,
            tags=tags,
            instance=self.instance,
            asset_selection=[AssetKey(name) for name in assets] or None,
            run_config={"ops": config} if config else None,
            raise_on_error=raises,
        )

    def run_unpartitioned(self, job: str) -> ExecuteInProcessResult:
        return defs.resolve_job_def(job).execute_in_process(instance=self.instance)

    def paint(self, clip: Clip) -> Path:
        """Prepare, paint and finish ``clip``; return the painted video."""
        self.paint_all(clip)
        return self.painted(clip)

    def paint_all(self, clip: Clip) -> None:
        """Prepare, paint and finish ``clip``."""
        self.run("prepare", clip)
        self.run("paint", clip, shards=(0, self.studio.settings.shards - 1))
        self.run("finish", clip)

    def painted(self, clip: Clip) -> Path:
        """A local copy of what was painted of ``clip``."""
        start = f"{PAINTED}/{clip.style}/{clip.name}"
        (path,) = [o.path for o in self.studio.store.list(PAINTED) if o.path.startswith(start)]
        copy = Path(tempfile.mkdtemp(dir=self.folder)) / Path(path).name
        copy.write_bytes(self.studio.store.read(path))
        return copy

    def names(self, container: str) -> list[str]:
        return sorted(each.path for each in self.studio.store.list(container))

    def pending(self) -> dict[str, str]:
        """Uploads that the sensor has seen and not taken, by their clips' keys."""
        return dict(json.loads(self.cursor or "{}").get("growing", {}))
