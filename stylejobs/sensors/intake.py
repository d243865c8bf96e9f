"""Taking an upload in: it is refused with a letter, or its runs are asked for.

Whatever tells of an upload, a listing or a message, it is taken in here.
"""

from collections.abc import Iterator, Mapping
from typing import Any

from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    DagsterInstance,
    RunRequest,
    RunsFilter,
    SensorResult,
)
from dagster._core.storage.dagster_run import NOT_FINISHED_STATUSES

from stylejobs import assets
from stylejobs.assets.labels import UPLOAD_ETAG, labels
from stylejobs.assets.reports import manifest_facts
from stylejobs.config import Settings
from stylejobs.grouping import shard_groups
from stylejobs.jobs import paint, prepare
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.partitions import RANGE, clips, shard_names
from stylejobs.recipe import Recipe
from stylejobs.scoring.controls import BadControls
from stylejobs.sensors.memory import DATA_VERSION
from stylejobs.sensors.scoring import SCORE_NEXT
from stylejobs.storage.clips import Clip
from stylejobs.storage.store import StoredObject
from stylejobs.studio import MissingInput, Studio, Superseded, manifest_version

MAX_UPLOADS_PER_TICK = 10

Upload = tuple[Clip, StoredObject]


def crowd(instance: DagsterInstance, settings: Settings) -> str | None:
    """Why no upload is taken in now, if so many runs are waiting already."""
    count = instance.get_runs_count(RunsFilter(statuses=NOT_FINISHED_STATUSES))
    if count < settings.max_queued_runs:
        return None
    return f"{count} runs are queued or at work; new uploads wait until there are fewer."


class Taken:
    """What a tick asks Dagster to do."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.keys: list[str] = []
        self.events: list[AssetMaterialization | AssetObservation] = []
        self.runs: list[RunRequest] = []

    def result(self, cursor: str) -> SensorResult:
        return SensorResult(
            run_requests=self.runs,
            asset_events=self.events,
            dynamic_partitions_requests=[clips.build_add_request(self.keys)] if self.keys else [],
            cursor=cursor,
        )


def take(studio: Studio, clip: Clip, upload: StoredObject, taken: Taken) -> None:
    """Start or refuse an upload that is at rest."""
    clip = studio.with_earlier_controls(clip)
    try:
        recipe, manifest = _examine(studio, clip, upload)
    except UnusableMedia as error:
        taken.versions[clip.key] = upload.etag
        letter = studio.reject(clip, error)
        taken.events.append(
            AssetObservation(
                assets.upload.key,
                partition=clip.key,
                description=f"refused: {error}",
                metadata={"refused_because": error.reason, "remedy": error.remedy, "see": letter},
                tags={DATA_VERSION: upload.etag},
            )
        )
        return
    except (MissingInput, Superseded):
        return  # it changed or went away just now: another tick sees to it
    studio.accept(clip)
    place = studio.workplace(clip)
    taken.versions[clip.key] = upload.etag
    taken.keys.append(clip.key)
    taken.events += external_version(
        assets.upload.key,
        clip.key,
        upload.etag,
        {"path": clip.upload_path, "bytes": upload.size},
    )
    taken.events += recipe_version(clip.key, recipe)
    if manifest is not None:
        taken.events.append(
            AssetMaterialization(
                assets.manifest.key,
                partition=clip.key,
                metadata=manifest_facts(clip, manifest, place.manifest),
                # As if a run had made it, so that a changed setting shows it as stale.
                tags={
                    DATA_VERSION: place.version,
                    "dagster/code_version": manifest_version(studio.settings),
                    "dagster/input_data_version/upload": upload.etag,
                    "dagster/input_event_pointer/upload": "NULL",
                },
            )
        )
    taken.runs += runs_of(studio, clip, upload, manifest)


def _examine(studio: Studio, clip: Clip, upload: StoredObject) -> tuple[Recipe, Manifest | None]:
    """How to paint an upload, and its manifest; None if it takes a tick too long.

    Raises:
        UnusableMedia: it is refused.
        MissingInput, Superseded: it is no longer there as it was.
    """
    if not clip.is_nameable:
        raise UnusableMedia(
            "Its name has characters that cannot be shown.", "Give it a plain name."
        )
    if upload.is_link:
        raise UnusableMedia("It is a link or a special file.", "Upload the video itself.")
    if not clip.style:
        raise UnusableMedia(
            "It lies in no style's folder.",
            f"Drop it in inbox/<style>/; the styles are: {', '.join(sorted(studio.styles()))}.",
        )
    try:
        recipe = studio.recipe_of(clip)
    except BadControls as error:
        raise UnusableMedia(
            str(error), "Correct the upload's metadata, or leave them out."
        ) from None
    except MissingInput as error:
        raise UnusableMedia(
            str(error), "Move the video to a style's folder, or add the style to styles/ first."
        ) from None
    if not studio.store.reads_in_place and upload.size > studio.settings.probe_bytes:
        return recipe, None  # to fetch it would hold up all others
    try:
        place = studio.workplace(clip)
        return recipe, studio.make_manifest(place, studio.settings.probe_seconds)
    except TimeoutError:
        return recipe, None


def external_version(
    asset: AssetKey, clip_key: str, version: str, metadata: Mapping[str, Any]
) -> list[AssetObservation | AssetMaterialization]:
    """Report a version of an asset that is made outside of Dagster.

    Dagster reads staleness off observations and the status of a partition off materialisations;
    a run takes note of the last materialisation, so that comes last.
    """
    tags = {DATA_VERSION: version}
    return [
        AssetObservation(asset, partition=clip_key, metadata=metadata, tags=tags),
        AssetMaterialization(asset, partition=clip_key, metadata=metadata, tags=tags),
    ]


def recipe_version(clip_key: str, recipe: Recipe) -> list[AssetObservation | AssetMaterialization]:
    metadata = {
        "style": recipe.style,
        "weights": str(recipe.weights),
        **recipe.controls.facts,
    }
    return external_version(assets.recipe.key, clip_key, recipe.version, metadata)


def runs_of(
    studio: Studio, clip: Clip, upload: StoredObject, manifest: Manifest | None
) -> Iterator[RunRequest]:
    """One run for the sound (and the manifest, if it is still to be made), the rest to paint."""
    version = studio.version(upload)
    tags = {**labels(clip), UPLOAD_ETAG: upload.etag}
    wanted = [assets.audio.key] if manifest else [assets.manifest.key, assets.audio.key]
    yield RunRequest(
        run_key=f"{clip.key}:{version}:prepare",
        job_name=prepare.name,
        partition_key=clip.key,
        asset_selection=wanted,
        tags=tags,
    )
    separate = studio.settings.separate_scoring
    for group in shard_groups(studio.settings, manifest):
        first, last = shard_names[group[0]], shard_names[group[-1]]
        ends = (f"{clip.key}|{first}", f"{clip.key}|{last}")
        yield RunRequest(
            run_key=f"{clip.key}:{version}:paint:{first}",
            job_name=paint.name,
            asset_selection=[assets.frames.key] if separate else None,
            tags={
                **tags,
                **dict(zip(RANGE, ends, strict=True)),
                **({SCORE_NEXT: "true"} if separate else {}),
            },
        )
