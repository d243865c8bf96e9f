"""Backfills and jobs as the UI launches them: by GraphQL, under the live daemon."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest
from safetensors.numpy import save_file

from stylejobs.storage.clips import Clip
from stylejobs_tests.conftest import random_weights
from stylejobs_tests.live.conftest import SHARDS, Live, until

BACKFILL = """mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""
LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}
    ... on RunConfigValidationInvalid {errors {message}}}}"""
PAINTING = [{"path": ["frames"]}, {"path": ["styled_frames"]}]


def delivered_after(live: Live, videos: Sequence[Clip], before: Sequence[int]) -> bool:
    return all(
        live.painted(video).exists() and live.painted(video).stat().st_mtime_ns > time
        for video, time in zip(videos, before, strict=True)
    )


def times(live: Live, videos: Sequence[Clip]) -> list[int]:
    return [live.painted(video).stat().st_mtime_ns for video in videos]


def ranges(runs: Sequence[dict[str, Any]]) -> list[tuple[str, str]]:
    name = "dagster/asset_partition_range_"
    return sorted(
        (r["tags"][f"{name}start"], r["tags"][f"{name}end"])
        for r in runs
        if f"{name}start" in r["tags"]
    )


@pytest.mark.timeout(900)
def test_backfills_of_whole_videos_and_new_weights_are_grouped_by_video_and_finals_follow(
    live: Live, clip: Callable[[str], Path]
) -> None:
    videos = [live.drop(clip("single_frame.mp4"), f"{name}.mp4") for name in "ab"]
    until(lambda: delivered_after(live, videos, [0, 0]), "the first delivery")

    # All shards of these two videos.
    before = times(live, videos)
    keys = [f"{video.key}|{shard:02d}" for video in videos for shard in range(SHARDS)]
    params = {"assetSelection": PAINTING, "partitionNames": keys}
    backfill = live.ask(BACKFILL, params=params)
    assert backfill["__typename"] == "LaunchBackfillSuccess", backfill
    until(lambda: delivered_after(live, videos, before), "the delivery after the backfill")
    mine = [
        run for run in live.runs() if run["tags"].get("dagster/backfill") == backfill["backfillId"]
    ]
    whole = sorted((f"{video.key}|00", f"{video.key}|{SHARDS - 1:02d}") for video in videos)
    assert ranges(mine) == whole
    assert sorted(run["tags"]["stylejobs/upload"] for run in mine) == sorted(
        video.upload_path for video in videos
    )

    # Everything with the new weights of the style.
    before = times(live, videos)
    styles = live.studio.store.root / "styles"
    save_file(random_weights(seed=1), styles / "new.partial")
    (styles / "new.partial").replace(styles / "tiny.safetensors")
    config = {"ops": {"find_outdated": {"config": {"style": "tiny"}}}}
    job = {
        "repositoryLocationName": "stylejobs",
        "repositoryName": "__repository__",
        "pipelineName": "repaint_with_new_weights",
    }
    launched = live.ask(LAUNCH, params={"selector": job, "runConfigData": config})
    assert launched["__typename"] == "LaunchRunSuccess", launched
    until(lambda: delivered_after(live, videos, before), "the delivery with the new weights")
    asked = [
        run
        for run in live.runs()
        if run["tags"].get("stylejobs/requested_by") == launched["run"]["runId"]
    ]
    assert {run["tags"]["stylejobs/upload"] for run in asked} >= {v.upload_path for v in videos}
