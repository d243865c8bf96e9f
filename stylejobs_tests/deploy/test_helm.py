"""The chart's values: Dagster itself must take what the chart makes of them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import yaml
from dagster import AssetKey, DagsterInstance
from dagster._core.instance.config import PoolGranularity, dagster_instance_config

from stylejobs.definitions import defs
from stylejobs.launcher import PoolRunLauncher
from stylejobs_tests.deploy.installation import (
    NAMESPACE,
    dagster_yaml,
    helm_values,
    launcher,
    manifests,
    named,
)
from stylejobs_tests.pipeline.kubernetes.cluster import kubeconfig_file


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("DAGSTER_HOME", str(tmp_path))
    # The chart gives them to web server and daemon.
    for name in ("INSTANCE_CONFIG_MAP", "PG_PASSWORD_SECRET", "PIPELINE_RUN_ENV_CONFIGMAP"):
        monkeypatch.setenv(f"DAGSTER_K8S_{name}", name.lower().replace("_", "-"))
    return tmp_path


@pytest.fixture(params=["values.yaml", "values-cpu-only.yaml"])
def instance(request: pytest.FixtureRequest, home: Path) -> Iterator[DagsterInstance]:
    """Dagster as the chart sets it up, but for what would connect to Azure."""
    written = dagster_yaml(helm_values(request.param))
    del written["storage"], written["compute_logs"]
    written["run_launcher"]["config"] |= {
        "load_incluster_config": False,
        "kubeconfig_file": str(kubeconfig_file(home, "http://127.0.0.1:1")),
    }
    (home / "dagster.yaml").write_text(yaml.safe_dump(written))
    with DagsterInstance.get() as instance:
        yield instance


def test_dagster_takes_every_entry(home: Path) -> None:
    (home / "dagster.yaml").write_text(yaml.safe_dump(dagster_yaml(helm_values())))
    settings, _ = dagster_instance_config(str(home))
    assert settings["run_monitoring"]["start_timeout_seconds"] >= 900
    assert settings["run_retries"] == {
        "enabled": True,
        "max_retries": 3,
        "retry_on_asset_or_op_failure": False,
    }


def test_the_queue_bounds_runs_and_scoring_more_than_the_rest(instance: DagsterInstance) -> None:
    limits = instance.get_concurrency_config()
    assert limits.pool_config.pool_granularity == PoolGranularity.RUN
    assert limits.pool_config.default_pool_limit == 4
    assert limits.run_queue_config
    assert limits.run_queue_config.max_concurrent_runs == 10


@pytest.mark.parametrize(
    ("job", "assets", "scores"),
    [
        ("prepare", None, False),
        ("paint", None, True),
        ("paint", ["frames"], False),
        ("paint", ["styled_frames"], True),
        ("finish", None, False),
        # What the UI, a backfill and an automation start.
        ("__ASSET_JOB", ["styled_frames"], True),
        ("__ASSET_JOB", ["frames"], False),
        ("__ASSET_JOB", ["final_video"], False),
    ],
)
def test_a_run_is_placed_by_what_it_does(
    instance: DagsterInstance,
    request: pytest.FixtureRequest,
    job: str,
    assets: list[str] | None,
    scores: bool,
) -> None:
    repository = defs.get_repository_def()
    definition = repository.get_job(job)
    if assets:
        definition = definition.get_subset(asset_selection={AssetKey(each) for each in assets})
    run = instance.create_run_for_job(definition)
    assert isinstance(instance.run_launcher, PoolRunLauncher)
    pod = instance.run_launcher.get_container_context_for_run(run).run_k8s_config
    gpu = scores and "values-cpu-only.yaml" not in request.node.name
    assert pod.pod_spec_config["node_selector"] == {"stylejobs/pool": "gpu" if gpu else "cpu"}
    assert ("nvidia.com/gpu" in str(pod.container_config)) == gpu
    assert bool(pod.pod_spec_config.get("tolerations")) == gpu
    # Every run: retried by Dagster alone, unprivileged, with the accounts that exist.
    assert pod.job_spec_config["backoff_limit"] == 0
    assert pod.container_config["security_context"]["read_only_root_filesystem"]
    assert named("PriorityClass", pod.pod_spec_config["priority_class_name"])


def test_the_launcher_names_objects_that_exist() -> None:
    config = launcher(helm_values())["config"]
    assert config["job_namespace"] == NAMESPACE
    assert named("ServiceAccount", config["service_account_name"])
    config_maps = {m["metadata"]["name"] for m in manifests() if m["kind"] == "ConfigMap"}
    assert {name for name in config["env_config_maps"] if isinstance(name, str)} == config_maps
