"""The pipeline on a cluster: who runs where, and what the loss of a node costs."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance

from stylejobs.demo import daemon_running
from stylejobs.media.verify import compare
from stylejobs.studio import Studio
from stylejobs_tests.pipeline.desk import STYLE, Desk
from stylejobs_tests.pipeline.kubernetes.cluster import Cluster, Node, Pod, cluster_running, gpus_of

Clips = Callable[[str], Path]
ROOT = Path(__file__).parents[3]
PATIENCE = 240.0

SPOT = {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot", "effect": "NoSchedule"}
CPU_NODE = Node("cpu-0", {"stylejobs/pool": "cpu"})
GPU_POD = {
    "container_config": {"resources": {"limits": {"nvidia.com/gpu": 1}}},
    "pod_spec_config": {
        "node_selector": {"stylejobs/pool": "gpu"},
        "tolerations": [{**SPOT, "operator": "Equal"}],
    },
}


def gpu_node(number: int) -> Node:
    return Node(f"gpu-{number}", {"stylejobs/pool": "gpu"}, [SPOT], gpus=1)


@dataclass
class Live:
    desk: Desk
    cluster: Cluster

    def pods(self, job: str) -> list[Pod]:
        return [p for p in self.cluster.pods.values() if f"|{job}|" in f"|{self._job(p)}|"]

    def _job(self, pod: Pod) -> str:
        return str(pod.job["metadata"]["labels"]["dagster/job"])


@pytest.fixture
def live(studio: Studio, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Live]:
    """A desk in front of a daemon that launches on a cluster of one CPU and two GPU nodes."""
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.setenv("STYLEJOBS_SETTLE_SECONDS", "0.5")
    monkeypatch.setenv("STYLEJOBS_SEPARATE_SCORING", "true")
    monkeypatch.setenv("STYLEJOBS_SHARDS_PER_RUN", "2")
    monkeypatch.setenv("STYLEJOBS_SEGMENT_SECONDS", "0.2")
    monkeypatch.chdir(ROOT)
    with cluster_running(tmp_path, [CPU_NODE, gpu_node(0), gpu_node(1)]) as (cluster, kubeconfig):
        settings = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        settings["run_launcher"] = launcher(home, kubeconfig)
        settings["run_monitoring"]["poll_interval_seconds"] = 2
        settings["concurrency"]["pools"]["default_limit"] = 2
        (home / "dagster.yaml").write_text(yaml.safe_dump(settings))
        with DagsterInstance.get() as instance, daemon_running(tmp_path / "daemon.log"):
            yield Live(Desk(studio, instance), cluster)


def launcher(home: Path, kubeconfig: Path) -> dict[str, Any]:
    names = [name for name in os.environ if name.startswith("STYLEJOBS_")]
    return {
        "module": "stylejobs.launcher",
        "class": "PoolRunLauncher",
        "config": {
            "load_incluster_config": False,
            "kubeconfig_file": str(kubeconfig),
            "job_namespace": "stylejobs",
            "job_image": "stylejobs:test",
            "service_account_name": "stylejobs",
            "instance_config_map": "dagster-instance",
            "dagster_home": str(home),
            "env_vars": [f"{name}={os.environ[name]}" for name in names],
            "run_k8s_config": {"pod_spec_config": {"node_selector": {"stylejobs/pool": "cpu"}}},
            "pool_k8s_config": {"scoring": GPU_POD},
        },
    }


def until(happened: Callable[[], object], what: str) -> None:
    deadline = time.monotonic() + PATIENCE
    while not happened():
        assert time.monotonic() < deadline, f"{what} did not happen within {PATIENCE:.0f} s"
        time.sleep(0.1)


def test_scoring_alone_runs_on_gpu_nodes_and_an_evicted_shard_alone_is_scored_on(
    live: Live, clip: Clips
) -> None:
    video = live.desk.drop(clip("large.mp4"))
    store = live.desk.studio.store
    painted = store.root / "painted" / STYLE / video.name

    def scoring_pods() -> list[Pod]:
        return [p for p in live.cluster.pods.values() if gpus_of(p.spec)]

    def segments(pod: Pod) -> dict[str, str]:
        run = live.desk.instance.get_run_by_id(pod.run_id)
        assert run
        first = int(run.tags["dagster/asset_partition_range_start"][-2:])
        return {
            o.path: o.etag
            for o in store.list(f"work/{video.key}")
            if "/styled-" in o.path and f"/{first:02d}/" in o.path and o.path.endswith(".mp4")
        }

    def half_done() -> Pod | None:
        for pod in scoring_pods():
            if pod.phase == "Running" and segments(pod):
                return pod
        return None

    until(half_done, "the first segment of a shard")
    victim = half_done()
    assert victim
    kept = segments(victim)
    live.cluster.evict(victim)
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
    # Only the evicted run came back, and it kept what was finished.
    again = [p for p in scoring_pods() if segments(p).keys() == segments(victim).keys()]
    assert len(again) == 2
    assert kept.items() <= segments(victim).items()
    ranges = [live.desk.instance.get_run_by_id(p.run_id) for p in scoring_pods()]
    assert len(ranges) == 5  # four pairs of shards, one of them twice
