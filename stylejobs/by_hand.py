"""What people ask for by hand: jobs that say which videos to paint, and the sensor that does so.

A job checks what was asked and lists in its log what will be done. When it has succeeded, the
sensor starts the runs of each video, all tagged with the run that asked for them.
"""

import shutil
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from dagster import (
    Config,
    DagsterInstance,
    DagsterRunStatus,
    DefaultSensorStatus,
    Failure,
    OpDefinition,
    OpExecutionContext,
    RunConfig,
    RunStatusSensorContext,
    SensorResult,
    in_process_executor,
    job,
    op,
    run_status_sensor,
)
from pydantic import Field

from stylejobs.assets.failures import explained
from stylejobs.delivery import delivered
from stylejobs.jobs import paint, prepare
from stylejobs.partitions import clips
from stylejobs.resources import StudioResource
from stylejobs.sensors import recipe_version, runs_of
from stylejobs.storage.clips import CONTROLS, INBOX, Clip
from stylejobs.studio import MissingInput, Studio

REQUESTED_BY = "stylejobs/requested_by"
_resources = {"studio": StudioResource()}
_SOME_VIDEO, _SOME_STYLE = "inbox/starry_night/beach.mp4", "starry_night"
_VIDEO = Field(
    description=(
        "Its path in the store, such as `inbox/starry_night/beach.mp4`, or its key as the list of"
        " partitions shows it."
    ),
    examples=["inbox/starry_night/beach.mp4", "starry_night--beach.mp4"],
    min_length=1,
)
_STYLE = Field(
    description=(
        "A style's name: that of its folder in the inbox; or a blend of styles of one family,"
        " such as `great_wave:0.7,starry_night:0.3`."
    ),
    examples=["starry_night", "great_wave:0.7,starry_night:0.3"],
    min_length=1,
)


class Controlled(Config):
    """How to put the paint on; what is left out stays as it was for the video."""

    strength: float | None = Field(
        default=None, description="Of the style, 0 to 1: 1 is all paint, 0 is the source."
    )
    colours: str | None = Field(
        default=None,
        description="`style`, or `source` to keep the video's colours: only light and dark are"
        " painted.",
    )
    lines: int | None = Field(
        default=None,
        description="Of the picture that is painted, on its shorter side, such as 720: fewer are"
        " faster and make broader strokes. The result has the source's size.",
    )
    steady: float | None = Field(
        default=None,
        description="Against flicker, 0 to 0.8: how much of the frame before, moved along with the"
        " picture, is in each frame. 0.5 is good, 0 is off.",
    )

    @property
    def controls(self) -> dict[str, str]:
        """What is asked for, as text."""
        asked = {name: getattr(self, name) for name in CONTROLS}
        return {name: str(value) for name, value in asked.items() if value is not None}


class OneVideo(Controlled):
    video: str = _VIDEO
    again: bool = Field(
        default=False, description="Paint it anew even where finished parts are there."
    )


class AnotherStyle(Controlled):
    video: str = _VIDEO
    style: str = _STYLE


class NewWeights(Config):
    style: str = _STYLE


def _filled_in(first: OpDefinition, config: Config) -> RunConfig:
    """What the launchpad opens with, so that people see what to write where."""
    return RunConfig(ops={first.name: config})


@op
def find_video(context: OpExecutionContext, config: OneVideo, studio: StudioResource) -> None:
    """Check that the video is there and can be painted."""
    rules = studio.get()
    with explained(rules):
        clip = known_clip(rules, config.video)
        wanted = clip.asking(clip.controls | config.controls)
        recipe = rules.recipe_of(wanted)
        rules.upload(clip)
        if wanted != clip:
            rules.remember(wanted)
    again = "anew" if config.again else "where it is not painted yet"
    context.log.info("%s will be painted with '%s', %s", clip.upload_path, recipe.style, again)


@job(
    config=_filled_in(find_video, OneVideo(video=_SOME_VIDEO)),
    resource_defs=_resources,
    executor_def=in_process_executor,
)
def paint_one_video() -> None:
    """Paint one video of the inbox, from its first stage to its delivery."""
    find_video()


@op
def copy_upload(context: OpExecutionContext, config: AnotherStyle, studio: StudioResource) -> None:
    """Put a copy of the video in the other style's folder of the inbox."""
    rules = studio.get()
    with explained(rules):
        clip = known_clip(rules, config.video)
        twin = Clip(style=config.style, name=clip.name, controls=clip.controls | config.controls)
        rules.recipe_of(twin)
        if rules.store.head(twin.upload_path):
            raise Failure(
                f"{twin.upload_path} is already there. Use `paint_one_video` to paint it again.",
                allow_retries=False,
            )
        path = rules.upload(clip).path
        with rules.store.open_ranged(path) as source, rules.store.scratch() as folder:
            copy = folder / "upload"
            with source.open("rb") as content, copy.open("wb") as file:
                shutil.copyfileobj(content, file)
            rules.remember(twin)  # before the inbox sensor can see it
            rules.store.publish(copy, twin.upload_path)
    context.log.info("%s is there; the inbox sensor starts its painting", twin.upload_path)


@job(
    config=_filled_in(copy_upload, AnotherStyle(video=_SOME_VIDEO, style=_SOME_STYLE)),
    resource_defs=_resources,
    executor_def=in_process_executor,
)
def repaint_with_another_style() -> None:
    """Paint a video in one more style; what is painted already stays.

    The video is copied to the other style's folder of the inbox, and painted from there.
    """
    copy_upload()


@op
def find_outdated(context: OpExecutionContext, config: NewWeights, studio: StudioResource) -> None:
    """List the videos that are not painted with the style as it is now."""
    rules = studio.get()
    with explained(rules):
        found = list(outdated_clips(rules, context.instance, config.style))
    for clip in found:
        context.log.info("%s will be painted", clip.upload_path)
    context.log.info("%d videos to paint with '%s' as it is now", len(found), config.style)


@job(
    config=_filled_in(find_outdated, NewWeights(style=_SOME_STYLE)),
    resource_defs=_resources,
    executor_def=in_process_executor,
)
def repaint_with_new_weights() -> None:
    """Paint every video of a style that is not painted with its present weights and settings."""
    find_outdated()


@run_status_sensor(
    run_status=DagsterRunStatus.SUCCESS,
    monitored_jobs=[paint_one_video, repaint_with_new_weights],
    request_jobs=[prepare, paint],
    minimum_interval_seconds=2,
    default_status=DefaultSensorStatus.RUNNING,
    description="Starts the runs that `paint_one_video` and `repaint_with_new_weights` ask for.",
)
def start_requested(context: RunStatusSensorContext, studio: StudioResource) -> SensorResult:
    rules = studio.get()
    run = context.dagster_run
    ops: dict[str, Any] = run.run_config["ops"]  # type: ignore[assignment]
    if run.job_name == paint_one_video.name:
        wanted = OneVideo(**ops[find_video.name]["config"])
        found, again = iter([known_clip(rules, wanted.video)]), wanted.again
    else:
        style = NewWeights(**ops[find_outdated.name]["config"]).style
        found, again = outdated_clips(rules, context.instance, style), False
    config = {"ops": {name: {"config": {"again": True}} for name in ("frames", "styled_frames")}}
    requests, events = [], []
    for clip in found:
        events += recipe_version(clip.key, rules.recipe_of(clip))
        upload = rules.upload(clip)
        place = rules.workplace(clip)
        manifest = rules.manifest(place) if rules.store.head(place.manifest) else None
        for request in runs_of(rules, clip, upload, manifest):
            requests.append(
                request.with_replaced_attrs(
                    run_key=f"{run.run_id}:{request.run_key}",
                    run_config=config if again and request.job_name == paint.name else {},
                    tags={**request.tags, REQUESTED_BY: run.run_id},
                )
            )
    return SensorResult(run_requests=requests, asset_events=events)


def known_clip(studio: Studio, video: str) -> Clip:
    """The clip that ``video`` names: its path in the store, or its key.

    Raises:
        MissingInput: there is none.
    """
    if PurePosixPath(video).parts[:1] == (INBOX,):
        video = Clip.of_upload(video).key
    return studio.clip(video)


def outdated_clips(studio: Studio, instance: DagsterInstance, style: str) -> Iterator[Clip]:
    """The clips of ``style`` that are not delivered as they would be now; gone ones are left out.

    Raises:
        MissingInput: there is no such style.
    """
    recipe = studio.recipe(style)
    for key in instance.get_dynamic_partitions(str(clips.name)):
        try:
            clip = studio.clip(key)
            if clip.style != style:
                continue
            place = studio.workplace(clip)
        except MissingInput:
            continue
        try:
            delivered(studio, place, studio.controlled(recipe, clip))
        except MissingInput:
            yield clip
