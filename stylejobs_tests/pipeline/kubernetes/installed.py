"""Dagster installed on the loopback cluster, and asked as its UI asks it."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import yaml
from dagster import DagsterInstance
from dagster._core.workspace.context import WorkspaceProcessContext
from dagster._core.workspace.load_target import WorkspaceFileTarget
from dagster_graphql.schema import create_schema

from stylejobs_tests.deploy.installation import helm_values, launcher
from stylejobs_tests.pipeline.kubernetes.cluster import Cluster, Node, cluster_running

ROOT = Path(__file__).parents[3]

# As deploy/terraform makes them; a test there compares them with the pods' settings.
CPU_NODE = Node("cpu-0", {"stylejobs/pool": "cpu"})
GPU_TAINTS = [
    {"key": "kubernetes.azure.com/scalesetpriority", "value": "spot", "effect": "NoSchedule"},
    {"key": "sku", "value": "gpu", "effect": "NoSchedule"},
]
LAUNCH = """mutation ($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename ... on LaunchRunSuccess {run {runId}} ... on PythonError {message}
    ... on RunConfigValidationInvalid {errors {message}}}}"""
BACKFILL = """mutation ($params: LaunchBackfillParams!) {
  launchPartitionBackfill(backfillParams: $params) {
    __typename ... on LaunchBackfillSuccess {backfillId} ... on PythonError {message}}}"""


def gpu_node(number: int) -> Node:
    return Node(f"gpu-{number}", {"stylejobs/pool": "gpu"}, GPU_TAINTS, gpus=1)


@contextmanager
def dagster_on_a_cluster(
    folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    nodes: list[Node],
    change: Callable[[dict[str, Any]], None],
) -> Iterator[tuple[DagsterInstance, Cluster]]:
    """An instance that launches on a cluster of ``nodes``, by the values of the chart.

    Args:
        change: edits `dagster.yaml` for the test.
    """
    home = folder / "home"
    home.mkdir()
    monkeypatch.setenv("DAGSTER_HOME", str(home))
    monkeypatch.chdir(ROOT)
    settings = {k: v for k, v in os.environ.items() if k.startswith("STYLEJOBS_")}
    config_maps = {"stylejobs-settings": settings, "pipeline-env": {}}
    # The chart gives them to web server and daemon.
    monkeypatch.setenv("DAGSTER_K8S_PIPELINE_RUN_ENV_CONFIGMAP", "pipeline-env")
    monkeypatch.setenv("DAGSTER_K8S_INSTANCE_CONFIG_MAP", "stylejobs-instance")
    monkeypatch.setenv("DAGSTER_K8S_PG_PASSWORD_SECRET", "stylejobs-postgresql")
    with cluster_running(folder, nodes, config_maps) as (cluster, kubeconfig):
        written = yaml.safe_load((ROOT / "dagster.yaml").read_text())
        written["run_launcher"] = launcher(helm_values())
        written["run_launcher"]["config"] |= {
            "load_incluster_config": False,
            "kubeconfig_file": str(kubeconfig),
            "job_image": "stylejobs.azurecr.io/stylejobs:test",
        }
        written["run_monitoring"]["poll_interval_seconds"] = 2
        change(written)
        (home / "dagster.yaml").write_text(yaml.safe_dump(written))
        with DagsterInstance.get() as instance:
            yield instance, cluster


@dataclass
class WebServer:
    """Answers the requests of the UI, without a browser and a port."""

    context: WorkspaceProcessContext

    def materialize(self, asset: str, tags: dict[str, str]) -> str:
        """Launch a run by hand, as the launchpad does; return its id."""
        selector = {
            "repositoryLocationName": "stylejobs",
            "repositoryName": "__repository__",
            "jobName": "__ASSET_JOB",
            "assetSelection": [{"path": [asset]}],
        }
        pairs = [{"key": f"dagster/{key}", "value": value} for key, value in tags.items()]
        params = {"selector": selector, "executionMetadata": {"tags": pairs}}
        return str(self._ask(LAUNCH, params)["run"]["runId"])

    def backfill(self, assets: Sequence[str], partitions: Sequence[str]) -> str:
        params = {"assetSelection": [{"path": [a]} for a in assets], "partitionNames": partitions}
        return str(self._ask(BACKFILL, params)["backfillId"])

    def _ask(self, query: str, params: dict[str, Any]) -> dict[str, Any]:
        answer = asyncio.run(
            create_schema().execute_async(
                query,
                variable_values={"params": params},
                context_value=self.context.create_request_context(),
            )
        )
        assert answer.data, answer.errors
        ((_, found),) = answer.data.items()
        assert "Success" in found["__typename"], found
        return dict(found)


@contextmanager
def web_server(instance: DagsterInstance) -> Iterator[WebServer]:
    target = WorkspaceFileTarget([str(ROOT / "workspace.yaml")])
    with WorkspaceProcessContext(instance, target) as context:
        yield WebServer(context)
