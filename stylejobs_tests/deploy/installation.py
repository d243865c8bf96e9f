"""What `deploy/` installs, as a site fills it in."""

from __future__ import annotations

import re
from pathlib import Path
from string import Template
from typing import Any

import yaml

DEPLOY = Path(__file__).parents[2] / "deploy"
NAMESPACE = "stylejobs"

# One line of it for each output of Terraform that envsubst fills in.
SITE = {
    "HOST": "stylejobs.example.com",
    "MEDIA_ACCOUNT": "stylejobsmedia",
    "OPERATOR_CLIENT_ID": "00000000-0000-0000-0000-000000000001",
    "OPS_ACCOUNT": "stylejobsops",
    "PIPELINE_CLIENT_ID": "00000000-0000-0000-0000-000000000002",
    "POSTGRES_HOST": "stylejobs.postgres.database.azure.com",
    "REGISTRY": "stylejobs.azurecr.io",
    "VERSION": "0.1.0",
}


def filled(path: Path) -> str:
    """A file's text as `envsubst` leaves it; other uses of $ stay."""
    return Template(path.read_text()).safe_substitute(SITE)


def manifests() -> list[dict[str, Any]]:
    """Every object in `deploy/kubernetes`."""
    files = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
    return [each for file in files for each in yaml.safe_load_all(filled(file)) if each]


def named(kind: str, name: str) -> dict[str, Any]:
    (found,) = [m for m in manifests() if (m["kind"], m["metadata"]["name"]) == (kind, name)]
    return found


def helm_values(*overlays: str) -> dict[str, Any]:
    """The values of the chart, with overlays laid over them as Helm does."""
    values: dict[str, Any] = {}
    for name in ("values.yaml", *overlays):
        values = _over(values, yaml.safe_load(filled(DEPLOY / "helm" / name)))
    return values


def _over(under: dict[str, Any], over: dict[str, Any]) -> dict[str, Any]:
    both = {
        key: _over(under[key], over[key])
        for key in under.keys() & over.keys()
        if isinstance(under[key], dict) and isinstance(over[key], dict)
    }
    return under | over | both


def launcher(values: dict[str, Any]) -> dict[str, Any]:
    """The run launcher's entry of dagster.yaml."""
    found: dict[str, Any] = values["runLauncher"]["config"]["customRunLauncher"]
    return found


def dagster_yaml(values: dict[str, Any]) -> dict[str, Any]:
    """What the chart writes to dagster.yaml, but for the scheduler."""
    daemon = values["dagsterDaemon"]
    postgres = values["postgresql"]
    return {
        "storage": {
            "postgres": {
                "postgres_db": {
                    "username": postgres["postgresqlUsername"],
                    "password": {"env": "DAGSTER_PG_PASSWORD"},
                    "hostname": postgres["postgresqlHost"],
                    "db_name": postgres["postgresqlDatabase"],
                    "port": postgres["service"]["port"],
                    "params": postgres["postgresqlParams"],
                }
            }
        },
        "run_launcher": launcher(values),
        "run_coordinator": {
            "module": "dagster.core.run_coordinator",
            "class": daemon["runCoordinator"]["type"],
            "config": _snake(daemon["runCoordinator"]["config"]["queuedRunCoordinator"]),
        },
        "concurrency": {part: _snake(values["concurrency"][part]) for part in ("runs", "pools")},
        "run_monitoring": _snake(daemon["runMonitoring"]),
        "run_retries": _snake(daemon["runRetries"]),
        "sensors": _snake(daemon["sensors"]),
        "compute_logs": {
            "module": "dagster_azure.blob.compute_log_manager",
            "class": values["computeLogManager"]["type"],
            "config": _snake(values["computeLogManager"]["config"]["azureBlobComputeLogManager"]),
        },
        "retention": {
            part: {"purge_after_days": values["retention"][camel]["purgeAfterDays"]}
            for part, camel in (("sensor", "sensor"), ("auto_materialize", "autoMaterialize"))
        },
        "telemetry": values["telemetry"],
    }


def _snake(part: dict[str, Any]) -> dict[str, Any]:
    return {re.sub("([A-Z])", r"_\1", key).lower(): value for key, value in part.items()}
