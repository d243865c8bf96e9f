"""The pipeline on a cluster: who runs where, and what the loss of a node costs."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import yaml
from dagster import DagsterInstance

from stylejobs.demo import daemon_running
from stylejobs.media.verify import compare
from stylejobs.studio import Studio
from stylejobs_tests.deploy.installation import helm_values, launcher
from stylejobs_tests.patience import one_at_a_time, until
from stylejobs_tests.pipeline.desk import STYLE, Desk
from stylejobs_tests.pipeline.kubernetes.cluster import Cluster, Node, Pod, cluster_running, gpus_of

Clips = Callable[[str], Path]
ROOT = Path(__file__).parents[3]
pytestmark = one_at_a_time

# As deploy/terraform makes them; a test there compares them with the pods' settings.
CPU_NODE = Node("cpu-0", {"stylejobs/pool": "cpu"})
GPU_TAINTS = [
    {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot", "effect": "NoSchedule"},
    {"key": "sku", "value": "gpu", "effect": "NoSchedule"},
]


def gpu_node(number: int) -> Node:
    return Node(f"gpu-{number}", {"stylejobs/pool": "gpu"}, GPU_TAINTS, gpus=1)


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
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0.5")
    monkeypatch.setenv("STYLEJOBS_SEPARATE_SCORING", "true")
    monkeypatch.setenv("STYLEJOBS_SHARDS_PER_RUN", "2")
    monkeypatch.setenv("STYLEJOBS_SEGMENT_SECONDS", "0.2")
    monkeypatch.chdir(ROOT)
    settings = {k: v for k, v in os.environ.items() if k.startswith("STYLEJOBS_")}
    config_maps = {"stylejobs-settings": settings, "pipeline-env": {}}
    # The chart gives them to web server and daemon.
    monkeypatch.setenv("DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP", "pipeline-env")
    monkeypatch.setenv("DAGSTER_K8S_INSTANCE_CONFIG_MAP", "stylejobs-instance")
    monkeypatch.setenv("DAGSTER_K8S_PG_PASSWORD_SECRET", "stylejobs-postgresql")
    nodes = [CPU_NODE, gpu_node(0), gpu_node(1)]
    with cluster_running(tmp_path, nodes, config_maps) as (cluster, kubeconfig):
        written = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        written["run_launcher"] = launcher(helm_values())
        written["run_launcher"]["config"] |= {
            "load_incluster_config": False,
            "kubeconfig_file": str(kubeconfig),
            "job_image": "stylejobs.azurecr.io/stylejobs:test",
        }
        written["run_monitoring"]["poll_interval_seconds"] = 2
        written["concurrency"]["pools"]["default_limit"] = 2
        (home / "dagster.yaml").write_text(yaml.safe_dump(written))
        with DagsterInstance.get() as instance, daemon_running(tmp_path / "daemon.log"):
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
        first = first_shard(pod)
        return {
            o.path: o.etag
            for o in store.list(f"work/{video.key}")
            if "/styled-" in o.path and f"/{first:02d}/" in o.path and o.path.endswith(".mp4")
        }

    # A node that is gone takes its pod with it; one that is drained asks it to stop first.
    kept: dict[str, dict[str, str]] = {}
    for how in (signal.SIGKILL, signal.SIGTERM):

        def half_done() -> Pod | None:
            lost = {first_shard(live.cluster.pods[name]) for name in kept}
            running = [p for p in scoring_pods() if p.phase == "Running"]
            others = (pod for pod in running if first_shard(pod) not in lost)
            return next((pod for pod in others if segments(pod)), None)

        until(half_done, "the first segment of a shard")
        victim = half_done()
        assert victim
        kept[victim.name] = segments(victim)
        live.cluster.evict(victim, how)
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
