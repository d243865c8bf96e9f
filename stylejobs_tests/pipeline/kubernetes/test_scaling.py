"""Four GPU nodes score four times as fast as one."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from stylejobs.assets.frames import cut
from stylejobs.grouping import shard_groups
from stylejobs_tests.patience import one_at_a_time, until
from stylejobs_tests.pipeline.desk import Desk, studio_of_environment
from stylejobs_tests.pipeline.kubernetes import slow
from stylejobs_tests.pipeline.kubernetes.installed import (
    dagster_on_a_cluster,
    gpu_node,
    web_server,
)

Clips = Callable[[str], Path]
NODES = 4
pytestmark = one_at_a_time


@pytest.fixture(autouse=True)
def settings(studio_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """96 frames fill eight shards, for two machines; the notes of the model are in a folder."""
    notes = tmp_path / "notes"
    notes.mkdir()
    monkeypatch.setenv("STYLEJOBS_SLOW_LOG", str(notes))
    monkeypatch.setenv("STYLEJOBS_MODELS", json.dumps({"slow": f"{slow.__name__}:create"}))
    monkeypatch.setenv("STYLEJOBS_MIN_SHARD_FRAMES", "12")
    monkeypatch.setenv("STYLEJOBS_FRAMES_PER_RUN", "1")
    monkeypatch.setenv("STYLEJOBS_SCORING_MACHINES", "2")
    monkeypatch.setenv("STYLEJOBS_SEPARATE_SCORING", "true")
    return notes


def without_queue(written: dict[str, Any]) -> None:
    """Runs are launched as they are asked for, by the web server; there is no daemon."""
    for part in ("concurrency", "run_queue"):
        del written[part]
    written["run_coordinator"] = {
        "module": "dagster.core.run_coordinator",
        "class": "DefaultRunCoordinator",
    }


def test_sixteen_shards_take_little_more_than_a_quarter_of_their_work(
    settings: Path, clip: Clips, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studio = studio_of_environment()
    groups = []
    nodes = [gpu_node(number) for number in range(NODES)]
    with dagster_on_a_cluster(tmp_path, monkeypatch, nodes, without_queue) as (instance, cluster):
        desk = Desk(studio, instance, tmp_path)
        for name in ("a.mp4", "b.mp4"):
            video = desk.drop(clip("large.mp4"), name, style="slow")
            desk.tick()
            place = studio.workplace(video)
            for shard in range(8):
                assert cut(studio, place, shard).frames == 12
            manifest = studio.manifest(place)
            groups += [(video, place, each) for each in shard_groups(studio.settings, manifest)]
        assert [len(shards) for *_, shards in groups] == [4] * NODES
        with web_server(instance) as ui:
            for video, _, shards in groups:
                keys = {"start": shards[0], "end": shards[-1]}
                ui.materialize(
                    "styled_frames",
                    {
                        f"asset_partition_range_{edge}": f"{video.key}|{shard:02d}"
                        for edge, shard in keys.items()
                    },
                )
            pods = cluster.pods.values()
            until(lambda: all(pod.phase == "Succeeded" for pod in pods), "the end of the runs")
            assert {pod.node.name for pod in pods if pod.node} == {node.name for node in nodes}

    calls = [
        [tuple(map(float, line.split())) for line in log.read_text().splitlines()]
        for log in settings.iterdir()
    ]
    assert len(calls) == NODES
    assert sum(map(len, calls)) >= 2 * 96
    work = sum(end - start for pod in calls for start, end in pod)
    # From its first frame to its last part, which is published at the end of a pod's work.
    ended = sorted(
        max(
            each.changed
            for shard in shards
            for each in studio.store.list(f"{place.root}/")
            if "/styled-" in each.path and each.path.endswith(f"/{shard:02d}.json")
        )
        for _, place, shards in groups
    )
    spent = [
        end - pod[0][0] for end, pod in zip(ended, sorted(calls, key=lambda c: c[-1]), strict=True)
    ]
    assert max(spent) <= 1.15 * work / NODES
