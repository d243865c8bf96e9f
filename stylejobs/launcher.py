"""A Kubernetes run launcher that places a run by the pools of its steps.

Dagster's own launcher reads a run's pod settings from the run's tags, which a launch from the UI,
an automation or a backfill does not set. What every run has, however it was started, is its
execution plan, and in it the pool of each step.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from dagster import Field, Map, Noneable, Permissive
from dagster._core.storage.dagster_run import DagsterRun
from dagster_k8s import K8sRunLauncher
from dagster_k8s.container_context import K8sContainerContext
from dagster_k8s.job import UserDefinedDagsterK8sConfig


class PoolRunLauncher(K8sRunLauncher):
    """As ``K8sRunLauncher``; a run with a step of a named pool gets that pool's pod settings too.

    Args:
        pool_k8s_config: pool name to what ``run_k8s_config`` takes: node selector, tolerations,
            resources and the like. A pool that is not named changes nothing.
    """

    def __init__(
        self, pool_k8s_config: Mapping[str, Mapping[str, Any]] | None = None, **others: Any
    ) -> None:
        super().__init__(**others)
        self._pool_k8s_config = {
            pool: K8sContainerContext(run_k8s_config=UserDefinedDagsterK8sConfig.from_dict(config))
            for pool, config in (pool_k8s_config or {}).items()
        }

    @classmethod
    def config_type(cls) -> dict[str, Any]:
        pods = Field(
            Noneable(Map(str, Permissive())),
            is_required=False,
            description="Pod settings of runs that hold a step of a pool, by the pool's name.",
        )
        return {**super().config_type(), "pool_k8s_config": pods}

    def get_container_context_for_run(self, dagster_run: DagsterRun) -> K8sContainerContext:
        context = super().get_container_context_for_run(dagster_run)
        for pool in sorted(self._pools(dagster_run) & self._pool_k8s_config.keys()):
            context = context.merge(self._pool_k8s_config[pool])
        return context

    def _pools(self, run: DagsterRun) -> set[str]:
        """The pools of the steps that ``run`` is to execute."""
        if run.execution_plan_snapshot_id is None:
            return set()
        plan = self._instance.get_execution_plan_snapshot(run.execution_plan_snapshot_id)
        steps = {step.key: step for step in plan.steps}
        return {pool for key in plan.step_keys_to_execute if (pool := steps[key].pool)}
