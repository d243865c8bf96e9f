"""A retry that Dagster's daemon lost is asked for once more, and only once."""

import time
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from dagster import (
    DagsterEvent,
    DagsterEventType,
    DagsterInstance,
    DagsterRun,
    DagsterRunStatus,
    EventLogEntry,
    build_sensor_context,
)
from dagster._core.test_utils import (
    create_run_for_test,
    create_test_daemon_workspace_context,
    instance_for_test,
)
from dagster._core.workspace.load_target import EmptyWorkspaceTarget
from dagster._daemon.auto_run_reexecution.event_log_consumer import EventLogConsumerDaemon

from stylejobs.sensors import lost_retries
from stylejobs.sensors.lost_retries import lost_retries as sensor


class Daemon:
    """Dagster's own: it takes up failures, and has no job to retry."""

    def __init__(self, instance: DagsterInstance, stack: ExitStack) -> None:
        self.instance = instance
        context = create_test_daemon_workspace_context(EmptyWorkspaceTarget(), instance)
        self._context = stack.enter_context(context)
        self._daemon = EventLogConsumerDaemon()

    def look(self) -> None:
        list(self._daemon.run_iteration(self._context))

    def took_up(self, run: DagsterRun) -> bool:
        said = [entry.message for entry in self.instance.all_logs(run.run_id)]
        return any("unable to retry the run" in message for message in said)


@pytest.fixture
def daemon() -> Iterator[Daemon]:
    with ExitStack() as stack:
        retries = {"run_retries": {"enabled": True, "max_retries": 2}}
        daemon = Daemon(stack.enter_context(instance_for_test(overrides=retries)), stack)
        daemon.look()
        yield daemon


def test_a_retry_that_the_daemon_lost_is_asked_for_once(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    instance = daemon.instance
    run = create_run_for_test(instance, "paint", status=DagsterRunStatus.STARTED)
    failure = DagsterEvent(DagsterEventType.RUN_FAILURE.value, "paint")
    entry = EventLogEntry(None, "error", "", run.run_id, time.time(), dagster_event=failure)
    instance.event_log_storage.store_event(entry)
    daemon.look()  # between the two things that a failing run writes
    instance.run_storage.handle_run_event(run.run_id, failure)
    instance.add_run_tags(run.run_id, {"dagster/will_retry": "true"})
    daemon.look()
    assert not daemon.took_up(run)

    sensor(build_sensor_context(instance))  # it may still come
    daemon.look()
    assert not daemon.took_up(run)

    monkeypatch.setattr(lost_retries, "_SECONDS_TO_START", -1)
    sensor(build_sensor_context(instance))
    daemon.look()
    assert daemon.took_up(run)
    reported = len(instance.all_logs(run.run_id, DagsterEventType.RUN_FAILURE))
    sensor(build_sensor_context(instance))
    assert len(instance.all_logs(run.run_id, DagsterEventType.RUN_FAILURE)) == reported


def test_runs_that_are_not_tried_again_or_were_are_left_alone(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lost_retries, "_SECONDS_TO_START", -1)
    for tags in (
        {"dagster/will_retry": "false"},
        {"dagster/will_retry": "true", "dagster/auto_retry_run_id": "another"},
    ):
        run = create_run_for_test(
            daemon.instance, "paint", status=DagsterRunStatus.FAILURE, tags=tags
        )
        sensor(build_sensor_context(daemon.instance))
        assert daemon.instance.all_logs(run.run_id) == []
