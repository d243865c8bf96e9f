"""The automation sensor: Dagster's own, at a pace at which people do not wait."""

from dagster import AssetSelection, AutomationConditionSensorDefinition, DefaultSensorStatus

# Sees to it that a final video follows its parts by itself.
automation = AutomationConditionSensorDefinition(
    "automation",
    target=AssetSelection.all(),
    minimum_interval_seconds=1,
    emit_backfills=False,
    default_status=DefaultSensorStatus.RUNNING,
)
