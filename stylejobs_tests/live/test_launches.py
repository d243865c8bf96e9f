"""Backfills and jobs as the UI launches them: by GraphQL, under the live daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance
from safetensors.numpy import save_file

from stylejobs.delivery import delivered
from stylejobs.partitions import RANGE
from stylejobs.storage.clips import Clip
from stylejobs.studio import MissingInput
from stylejobs_tests.conftest import random_weights
from stylejobs_tests.live.conftest import SHARDS, Live
from stylejobs_tests.patience import one_at_a_time, until

pytestmark = one_at_a_time
BACKFILL = """mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""
LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}
    ... on RunConfigValidationInvalid {errors {message}}}}"""


def new_weights(live: Live) -> None:
    styles = live.studio.store.root / "styles"
    save_file(random_weights(seed=1), styles / "new.partial")
    (styles / "new.partial").replace(styles / "tiny.safetensors")


def all_delivered(live: Live, videos: Sequence[Clip]) -> bool:
    """Whether these are delivered in their present version, with the style as it is now."""
    try:
        for video in videos:
            place = live.studio.workplace(video)
            delivered(live.studio, place, live.studio.recipe(video.style))
    except MissingInput:
        return False
    return True


def backfill(live: Live, assets: Sequence[str], keys: Sequence[str]) -> str:
    params = {"assetSelection": [{"path": [name]} for name in assets], "partitionNames": keys}
    launched = live.ask(BACKFILL, params=params)
    assert launched["__typename"] == "LaunchBackfillSuccess", launched
    return str(launched["backfillId"])


def launch(live: Live, job: str, **config: Any) -> str:
    selector = {
        "repositoryLocationName": "stylejobs",
        "repositoryName": "__repository__",
        "pipelineName": job,
    }
    launched = live.ask(LAUNCH, params={"selector": selector, "runConfigData": {"ops": config}})
    assert launched["__typename"] == "LaunchRunSuccess", launched
    return str(launched["run"]["runId"])


def ends(run: dict[str, Any]) -> tuple[str, str]:
    """The ends of a run's range."""
    return run["tags"][RANGE[0]], run["tags"][RANGE[1]]


def fails_alone(live: Live, video: Clip) -> bool:
    """Whether a run of this video only has failed."""
    return any(
        run["status"] == "FAILURE" and run["tags"].get("stylejobs/upload") == video.upload_path
        for run in live.runs()
    )


@pytest.mark.timeout(900)
def test_backfills_of_more_videos_than_shards_and_jobs_paint_what_they_should_and_finals_follow(
    live: Live, clip: Callable[[str], Path]
) -> None:
    dropped = [live.drop(clip("single_frame.mp4"), f"{name}.mp4") for name in "abc"]
    until(lambda: all_delivered(live, dropped) and live.rests(), "the first delivery")
    new_weights(live)
    with DagsterInstance.get() as instance:
        order = instance.get_dynamic_partitions("clips")
    first, second, third = sorted(dropped, key=lambda video: order.index(video.key))
    in_the_way = {}
    for video in (first, third):
        place = live.studio.workplace(video)
        path = live.studio.store.root / place.styled(live.studio.recipe(video.style).version, 0)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text("a file where a folder should be")
        in_the_way[video] = path

    # All shards of these three videos: no run has more of them than a video has shards, and a
    # video that fails holds up no other of its run.
    keys = [f"{video.key}|{shard:02d}" for video in dropped for shard in range(SHARDS)]
    asked = backfill(live, ["frames", "styled_frames"], keys)
    until(lambda: all_delivered(live, [second]), "the delivery of what did not fail")
    made = [run for run in live.runs() if run["tags"].get("dagster/backfill") == asked]
    assert sorted(ends(run) for run in made) == sorted(
        (f"{start.key}|{shard:02d}", f"{end.key}|{shard:02d}")
        for start, end in ((first, second), (third, third))
        for shard in range(SHARDS)
    )
    until(lambda: fails_alone(live, first) and fails_alone(live, third), "the failure of each")

    # Only what failed.
    in_the_way[first].unlink()
    asked = backfill(live, ["styled_frames"], [f"{first.key}|00"])
    until(lambda: all_delivered(live, [first]), "the delivery of what had failed")
    (run,) = [run for run in live.runs() if run["tags"].get("dagster/backfill") == asked]
    assert run["tags"]["stylejobs/upload"] == first.upload_path

    # Everything that is not painted with the new weights of the style.
    in_the_way[third].unlink()
    asked = launch(live, "repaint_with_new_weights", find_outdated={"config": {"style": "tiny"}})
    until(lambda: all_delivered(live, dropped), "the delivery with the new weights")
    made = [run for run in live.runs() if run["tags"].get("stylejobs/requested_by") == asked]
    # Other tests' videos may be painted with the old weights, too.
    uploads = {run["tags"]["stylejobs/upload"] for run in made}
    assert third.upload_path in uploads
    assert not uploads & {first.upload_path, second.upload_path}
