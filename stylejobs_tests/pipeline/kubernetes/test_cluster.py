"""The pipeline on a cluster: who runs where, and what the loss of a node costs."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from stylejobs.demo import daemon_running
from stylejobs.media.verify import compare
from stylejobs.studio import Studio
from stylejobs_tests.patience import one_at_a_time, until
from stylejobs_tests.pipeline.desk import STYLE, Desk
from stylejobs_tests.pipeline.kubernetes.cluster import Cluster, Pod, gpus_of
from stylejobs_tests.pipeline.kubernetes.installed import (
    CPU_NODE,
    dagster_on_a_cluster,
    gpu_node,
)

Clips = Callable[[str], Path]
pytestmark = one_at_a_time


@dataclass
class Live:
    desk: Desk
    cluster: Cluster
    store: Path

    def pods(self, job: str) -> list[Pod]:
        return [p for p in self.cluster.pods.values() if f"|{job}|" in f"|{self._job(p)}|"]

    def _job(self, pod: Pod) -> str:
        return str(pod.job["metadata"]["labels"]["dagster/job"])


@pytest.fixture
def live(
    studio: Studio, studio_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Live]:
    """A desk in front of a daemon that launches on a cluster of one CPU and two GPU nodes."""
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0.5")
    monkeypatch.setenv("STYLEJOBS_SEPARATE_SCORING", "true")
    monkeypatch.setenv("STYLEJOBS_SHARDS_PER_RUN", "2")
    monkeypatch.setenv("STYLEJOBS_SEGMENT_SECONDS", "0.2")

    def two_score(written: dict[str, Any]) -> None:
        written["concurrency"]["pools"]["default_limit"] = 2

    nodes = [CPU_NODE, gpu_node(0), gpu_node(1)]
    with (
        dagster_on_a_cluster(tmp_path, monkeypatch, nodes, two_score) as (instance, cluster),
        daemon_running(tmp_path / "daemon.log"),
    ):
        yield Live(Desk(studio, instance, tmp_path), cluster, studio_root)


def test_scoring_alone_runs_on_gpu_nodes_and_evicted_shards_alone_are_scored_on(
    live: Live, clip: Clips
) -> None:
    video = live.desk.drop(clip("large.mp4"))
    store = live.desk.studio.store
    painted = live.store / "painted" / STYLE / video.name

    def scoring_pods() -> list[Pod]:
        return [p for p in live.cluster.pods.values() if gpus_of(p.spec)]

    def first_shard(pod: Pod) -> int:
        run = live.desk.instance.get_run_by_id(pod.run_id)
        assert run
        return int(run.tags["dagster/asset_partition_range_start"][-2:])

    def segments(pod: Pod) -> dict[str, str]:
        """The finished ones of its first shard: those whose marker is there, too."""
        inside = f"/{first_shard(pod):02d}/"
        found = {
            o.path: o.etag
            for o in store.list(f"work/{video.key}")
            if "/styled-" in o.path and inside in o.path
        }
        return {
            path: etag
            for path, etag in found.items()
            if path.endswith(".mp4") and f"{path.removesuffix('.mp4')}.json" in found
        }

    def drain(pod: Pod) -> None:
        assert pod.node
        live.cluster.drain(pod.node)
        live.cluster.nodes.append(gpu_node(2))  # as the autoscaler does

    # A node that is gone takes its pod with it; one that is drained asks it to stop first.
    kept: dict[str, dict[str, str]] = {}
    for lose in (live.cluster.evict, drain):

        def half_done() -> Pod | None:
            lost = {first_shard(live.cluster.pods[name]) for name in kept}
            running = [p for p in scoring_pods() if p.phase == "Running"]
            others = (pod for pod in running if first_shard(pod) not in lost)
            return next((pod for pod in others if segments(pod)), None)

        until(half_done, "the first segment of a shard")
        victim = half_done()
        assert victim
        kept[victim.name] = segments(victim)
        lose(victim)
    until(painted.exists, "the delivery")
    assert compare(clip("large.mp4"), painted) == []
    # Placement: what scores is on the GPU nodes and nothing else is.
    for pod in live.cluster.pods.values():
        run = live.desk.instance.get_run_by_id(pod.run_id)
        assert run
        scores = run.asset_selection is not None and {
            key.to_user_string() for key in run.asset_selection
        } == {"styled_frames"}
        assert (gpus_of(pod.spec) == 1) == scores
        assert pod.node
        assert pod.node.name.startswith("gpu" if scores else "cpu")
    # Only the evicted runs came back, and they kept what was finished.
    pods = {pod.name: pod for pod in scoring_pods()}
    for name, finished in kept.items():
        after = segments(pods[name])
        assert finished.items() <= after.items()
        assert len([p for p in pods.values() if segments(p).keys() == after.keys()]) == 2
    assert len(pods) == 6  # four pairs of shards, two of them twice
