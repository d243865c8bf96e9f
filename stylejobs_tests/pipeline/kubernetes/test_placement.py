"""Runs that people start get the nodes of their work; what cannot start is given up with a word."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import pytest
from dagster import DagsterInstance, DagsterRun, DagsterRunStatus, RunsFilter

from stylejobs.demo import daemon_running
from stylejobs.partitions import clips
from stylejobs_tests.patience import one_at_a_time, until
from stylejobs_tests.pipeline.kubernetes.cluster import gpus_of
from stylejobs_tests.pipeline.kubernetes.installed import (
    CPU_NODE,
    dagster_on_a_cluster,
    gpu_node,
    web_server,
)

pytestmark = one_at_a_time
_CURSOR = "EVENT_LOG_CONSUMER_CURSOR-PIPELINE_FAILURE"
CLIP = "tiny--a.mp4"
SHARDS = [f"{CLIP}|{shard:02d}" for shard in range(8)]


def impatient(written: dict[str, Any]) -> None:
    """As in the chart, but that gives a node twenty minutes to come up, and three tries more."""
    written["concurrency"]["runs"]["max_concurrent_runs"] = 10
    written["concurrency"]["pools"]["default_limit"] = 10
    written["run_monitoring"]["start_timeout_seconds"] = 8
    written["run_retries"]["max_retries"] = 1


def assets(run: DagsterRun) -> str:
    return " ".join(sorted(key.to_user_string() for key in run.asset_selection or ()))


def failures(instance: DagsterInstance, run: DagsterRun) -> str:
    events = [e.dagster_event for e in instance.all_logs(run.run_id) if e.dagster_event]
    return "\n".join(str(event.message) for event in events if event.is_failure)


def has_looked_for_failures(instance: DagsterInstance) -> bool:
    assert instance.daemon_cursor_storage
    return bool(instance.daemon_cursor_storage.get_cursor_values({_CURSOR}))


@pytest.mark.usefixtures("studio_root")
def test_runs_by_hand_and_of_backfills_are_placed_and_tried_again_once_when_no_image_comes(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nodes = [CPU_NODE, gpu_node(0), gpu_node(1)]
    with dagster_on_a_cluster(tmp_path, monkeypatch, nodes, impatient) as (instance, cluster):
        cluster.has_images = False
        instance.add_dynamic_partitions(clips.name, [CLIP])

        def failed(tries: int) -> list[DagsterRun]:
            runs = instance.get_runs(RunsFilter(statuses=[DagsterRunStatus.FAILURE]))
            return [run for run in runs if run.tags.get("dagster/retry_number", "0") == f"{tries}"]

        with web_server(instance) as ui:
            # Before the daemon starts: it looks for backfills every thirty seconds.
            ui.backfill(["frames"], SHARDS)
            ui.backfill(["styled_frames"], SHARDS)
            with daemon_running(tmp_path / "daemon.log"):
                # It tries again what fails after its first look.
                until(lambda: has_looked_for_failures(instance), "the start of the daemon")
                ui.materialize("audio", {"partition": CLIP})
                ends = {"start": SHARDS[2], "end": SHARDS[3]}
                tags = {f"asset_partition_range_{edge}": key for edge, key in ends.items()}
                ui.materialize("styled_frames", tags)
                until(lambda: len(failed(0)) == 4, "the end of the first tries")
                # One that Dagster overlooks, as on busy machines, is asked for again.
                until(lambda: len(failed(1)) == 4, "the end of the second tries")
                time.sleep(4)  # for a third one
        runs = {run.run_id: run for run in instance.get_runs()}
        first = ["audio", "frames", "styled_frames", "styled_frames"]
        assert sorted(map(assets, failed(0))) == first
        assert {run.tags.get("dagster/retry_number") for run in runs.values()} == {None, "1"}
        again = [run.parent_run_id for run in runs.values() if run.parent_run_id]
        assert len(again) == len(set(again)) == len(first)
        # On a machine that is very busy, the time is over before a pod is asked for.
        assert {assets(runs[pod.run_id]) for pod in cluster.pods.values()} == {
            *("audio", "frames", "styled_frames")
        }
        for pod in cluster.pods.values():
            run = runs[pod.run_id]
            scores = assets(run) == "styled_frames"
            assert gpus_of(pod.spec) == scores
            assert pod.node
            assert pod.node.name.startswith("gpu" if scores else "cpu")
            if run.is_finished:
                assert "longer than 8 seconds to start" in failures(instance, run)
                assert "ImagePullBackOff" in failures(instance, run)
