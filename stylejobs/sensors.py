"""The inbox sensor: sees uploads, refuses what cannot be painted, starts the rest.

Its memory is the event log: the latest version of each clip's `upload` asset. The cursor holds
only what concerns the last tick.
"""

import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from dagster import (
    AssetKey,
    AssetMaterialization,
    AssetObservation,
    AssetSelection,
    AutomationConditionSensorDefinition,
    DagsterEventType,
    DagsterInstance,
    DefaultSensorStatus,
    RunRequest,
    SensorEvaluationContext,
    SensorResult,
    sensor,
)
from pydantic import BaseModel

from stylejobs import assets
from stylejobs.assets.labels import UPLOAD_ETAG, labels
from stylejobs.assets.reports import manifest_facts
from stylejobs.jobs import paint, prepare
from stylejobs.media.errors import UnusableMedia
from stylejobs.media.manifest import Manifest
from stylejobs.partitions import clips, shard_names
from stylejobs.resources import StudioResource
from stylejobs.storage.clips import INBOX, Clip
from stylejobs.storage.store import StoredObject
from stylejobs.studio import MissingInput, Recipe, Studio, Superseded, manifest_version

MAX_UPLOADS_PER_TICK = 10
MAX_PENDING = 200
MAX_RECIPES_PER_TICK = 100
# Leaves half of the minute that Dagster gives a tick.
MAX_TICK_SECONDS = 25.0
_DATA_VERSION = "dagster/data_version"

_Upload = tuple[Clip, StoredObject]
_RANGE_START = "dagster/asset_partition_range_start"
_RANGE_END = "dagster/asset_partition_range_end"


@sensor(
    jobs=[prepare, paint],
    minimum_interval_seconds=1,
    default_status=DefaultSensorStatus.RUNNING,
    description="Watches `inbox/<style>/` and starts the painting of each new or changed video.",
)
def inbox(context: SensorEvaluationContext, studio: StudioResource) -> SensorResult:
    rules = studio.get()
    rules.prepare_inbox()
    last = _Cursor.model_validate_json(context.cursor or "{}")
    boundary = context.instance.event_log_storage.get_maximum_record_id() or 0
    known = _known_versions(context.instance, last)
    new = [(c, u) for c, u in _uploads(rules) if u.etag not in known.get(c.key, ())]
    rested, growing = _at_rest(rules, new, last)
    taken = _Taken()
    deadline = time.monotonic() + MAX_TICK_SECONDS
    for clip, upload in rested:
        if len(taken.versions) < MAX_UPLOADS_PER_TICK and time.monotonic() < deadline:
            _take(rules, clip, upload, taken)
        else:
            growing.append((clip, upload))
    taken.events += _changed_recipes(rules, context.instance)
    cursor = _Cursor(
        growing={clip.key: upload.etag for clip, upload in growing[:MAX_PENDING]},
        taken=taken.versions,
        boundary=boundary,
    )
    return SensorResult(
        run_requests=taken.runs,
        asset_events=taken.events,
        dynamic_partitions_requests=[clips.build_add_request(taken.keys)] if taken.keys else [],
        cursor=cursor.model_dump_json(),
    )


class _Cursor(BaseModel):
    """What a completed tick leaves for the next one.

    A daemon that dies after it wrote a tick's events and before it noted the tick's runs would
    lose uploads. So events count only if the tick that wrote them left its cursor: those up to
    ``boundary``, written by earlier ticks, and those of the uploads in ``taken``. An upload that
    is taken a second time has the same run keys, and Dagster starts no run twice.

    Attributes:
        growing: clip key to etag of uploads that were not taken yet.
        taken: clip key to etag of the uploads that the tick started or refused.
        boundary: the last entry of the event log when the tick began.
    """

    growing: dict[str, str] = {}
    taken: dict[str, str] = {}
    boundary: int | None = None


class _Taken:
    """What a tick asks Dagster to do."""

    def __init__(self) -> None:
        self.versions: dict[str, str] = {}
        self.keys: list[str] = []
        self.events: list[AssetMaterialization | AssetObservation] = []
        self.runs: list[RunRequest] = []


def _known_versions(instance: DagsterInstance, last: _Cursor) -> Mapping[str, set[str]]:
    """The versions of each clip's upload that were started or refused last."""
    known = {key: {etag} for key, etag in last.taken.items()}
    for kind in (DagsterEventType.ASSET_MATERIALIZATION, DagsterEventType.ASSET_OBSERVATION):
        versions = _latest_versions(instance, assets.upload.key, kind, last.boundary)
        for key, etag in versions.items():
            known.setdefault(key, set()).add(etag)
    return known


def _latest_versions(
    instance: DagsterInstance, asset: AssetKey, kind: DagsterEventType, boundary: int | None = None
) -> dict[str, str]:
    tags = instance.event_log_storage.get_latest_tags_by_partition(
        asset, kind, [_DATA_VERSION], before_cursor=None if boundary is None else boundary + 1
    )
    return {key: found[_DATA_VERSION] for key, found in tags.items()}


def _at_rest(
    studio: Studio, uploads: Sequence[_Upload], last: _Cursor
) -> tuple[list[_Upload], list[_Upload]]:
    """Split ``uploads`` into those at rest and those that may still be growing.

    At rest is what has not changed for the settling time by its own clock, or since the last
    tick. If there is anything else, wait once, so that nobody waits for a whole tick.
    """
    settle = studio.settings.settle_seconds
    rested: list[_Upload] = []
    growing: list[_Upload] = []
    for clip, upload in uploads:
        unchanged = last.growing.get(clip.key) == upload.etag
        old = time.time() - upload.changed >= settle
        (rested if unchanged or old else growing).append((clip, upload))
    if growing:
        time.sleep(settle)
    for clip, before in growing.copy():
        growing.remove((clip, before))
        now = studio.store.head(clip.upload_path)
        if now is not None:
            (rested if now.etag == before.etag else growing).append((clip, now))
    return rested, growing


def _uploads(studio: Studio) -> Iterator[_Upload]:
    for upload in studio.store.list(INBOX):
        clip = Clip.of_upload(upload.path)
        if not clip.is_temporary:
            yield clip, upload


def _take(studio: Studio, clip: Clip, upload: StoredObject, taken: _Taken) -> None:
    """Start or refuse an upload that is at rest."""
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
                tags={_DATA_VERSION: upload.etag},
            )
        )
        return
    except (MissingInput, Superseded):
        return  # it changed or went away just now: another tick sees to it
    studio.accept(clip)
    place = studio.workplace(clip)
    taken.versions[clip.key] = upload.etag
    taken.keys.append(clip.key)
    taken.events += _external_version(
        assets.upload.key,
        clip.key,
        upload.etag,
        {"path": clip.upload_path, "bytes": upload.size},
    )
    taken.events += _recipe_version(clip.key, recipe)
    if manifest is not None:
        taken.events.append(
            AssetMaterialization(
                assets.manifest.key,
                partition=clip.key,
                metadata=manifest_facts(clip, manifest, place.manifest),
                # As if a run had made it, so that a changed setting shows it as stale.
                tags={
                    _DATA_VERSION: place.version,
                    "dagster/code_version": manifest_version(studio.settings),
                    "dagster/input_data_version/upload": upload.etag,
                    "dagster/input_event_pointer/upload": "NULL",
                },
            )
        )
    taken.runs += runs_of(studio, clip, upload, manifest)


def _examine(studio: Studio, clip: Clip, upload: StoredObject) -> tuple[Recipe, Manifest | None]:
    """How to paint an upload, and its manifest; None if looking at it takes too long for a tick.

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
        recipe = studio.recipe(clip.style)
    except MissingInput as error:
        raise UnusableMedia(
            str(error), "Move the video to a style's folder, or add the style to styles/ first."
        ) from None
    try:
        place = studio.workplace(clip)
        return recipe, studio.make_manifest(place, studio.settings.probe_seconds)
    except TimeoutError:
        return recipe, None


def _external_version(
    asset: AssetKey, clip_key: str, version: str, metadata: Mapping[str, Any]
) -> list[AssetObservation | AssetMaterialization]:
    """Report a version of an asset that is made outside of Dagster.

    Dagster reads staleness off observations and the status of a partition off materialisations;
    a run takes note of the last materialisation, so that comes last.
    """
    tags = {_DATA_VERSION: version}
    return [
        AssetObservation(asset, partition=clip_key, metadata=metadata, tags=tags),
        AssetMaterialization(asset, partition=clip_key, metadata=metadata, tags=tags),
    ]


def _recipe_version(clip_key: str, recipe: Recipe) -> list[AssetObservation | AssetMaterialization]:
    metadata = {"style": recipe.style, "weights": str(recipe.weights)}
    return _external_version(assets.recipe.key, clip_key, recipe.version, metadata)


def _changed_recipes(
    studio: Studio, instance: DagsterInstance
) -> Iterator[AssetObservation | AssetMaterialization]:
    """Recipes whose style or settings are no longer what their clips were started with.

    They are only reported, so that the painted frames show as stale: what to paint again, and
    when, is for people to say.
    """
    current: dict[str, Recipe | None] = {}
    reported = _latest_versions(instance, assets.recipe.key, DagsterEventType.ASSET_MATERIALIZATION)
    changed = 0
    for clip_key, version in reported.items():
        style = version.rpartition("-")[0]
        if style not in current:
            try:
                current[style] = studio.recipe(style)
            except MissingInput:
                current[style] = None
        recipe = current[style]
        if recipe and recipe.version != version and changed < MAX_RECIPES_PER_TICK:
            changed += 1
            yield from _recipe_version(clip_key, recipe)


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
    for first, last in _groups(studio.settings.shards_per_run, manifest):
        yield RunRequest(
            run_key=f"{clip.key}:{version}:paint:{first}",
            job_name=paint.name,
            tags={
                **tags,
                _RANGE_START: f"{clip.key}|{first}",
                _RANGE_END: f"{clip.key}|{last}",
            },
        )


def _groups(size: int, manifest: Manifest | None) -> Iterator[tuple[str, str]]:
    """First and last shard of each run; empty shards ride with the last one that has frames."""
    shards = len(shard_names)
    filled = shards
    if manifest:
        filled = sum(bool(manifest.shard_pts(shard)) for shard in range(shards))
    starts = list(range(0, filled, size))
    for start, following in zip(starts, [*starts[1:], shards], strict=True):
        yield shard_names[start], shard_names[following - 1]


# Sees to it that a final video follows its parts by itself.
automation = AutomationConditionSensorDefinition(
    "automation",
    target=AssetSelection.all(),
    minimum_interval_seconds=1,
    emit_backfills=False,
    default_status=DefaultSensorStatus.RUNNING,
)
