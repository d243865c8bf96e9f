"""What a video cost, from what its parts took."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import AssetKey
from pydantic import ValidationError

from stylejobs.config import Settings
from stylejobs.cost import Prices, cost_facts, machine_seconds
from stylejobs.storage.parts import commit_group, find_part
from stylejobs_tests.pipeline.desk import STYLE, Desk

Clips = Callable[[str], Path]
PRICES = '{"cpu": 0.36, "gpu": 3.6}'


def final_facts(desk: Desk) -> dict[str, float]:
    event = desk.instance.get_latest_materialization_event(AssetKey("final_video"))
    assert event
    assert event.asset_materialization
    return {
        name: value.value
        for name, value in event.asset_materialization.metadata.items()
        if isinstance(value.value, float)
    }


def test_a_final_video_shows_its_seconds_and_with_prices_its_cost(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    video = desk.drop(clip("cfr.mp4"))  # 2 seconds
    desk.tick()
    desk.paint(video)
    free = final_facts(desk)
    assert free["gpu_seconds"] == 0
    assert free["node_seconds"] > 0
    assert "cost" not in free
    monkeypatch.setenv("STYLEJOBS_PRICES", PRICES)
    # As if a GPU had painted one shard, in 50 seconds.
    store, recipe = desk.studio.store, desk.studio.recipe(STYLE)
    place = desk.studio.workplace(video)
    before = machine_seconds(desk.studio, place, recipe)
    path = place.styled(recipe.version, 1)
    part = find_part(store, path)
    assert part
    was = part.facts["busy_seconds"]
    commit_group(store, path, [part], {"busy_seconds": 50.0, "device": "NVIDIA H200 (torch)"})
    desk.run("finish", video)
    shown = final_facts(desk)
    assert shown["gpu_seconds"] == 50
    delivering = shown["node_seconds"] - (before["cpu"] - was + 50)
    assert 0 < delivering < 20
    on_cpus = shown["node_seconds"] - 50
    assert shown["cost"] == pytest.approx(50 * 0.001 + on_cpus * 0.0001, abs=1e-5)
    assert shown["cost_per_minute"] == pytest.approx(shown["cost"] * 30, rel=1e-3)


def test_prices_are_a_table_by_kind_of_machine() -> None:
    assert Settings(prices=PRICES).prices == Prices(cpu=0.36, gpu=3.6)
    for wrong in ('{"tpu": 1}', '{"cpu": -1}', "1.5", "cheap"):
        with pytest.raises(ValidationError):
            Settings(prices=wrong)


def test_cost_is_time_of_each_kind_of_machine_at_its_price() -> None:
    facts = cost_facts({"cpu": 3600, "gpu": 1800}, 10, Prices(cpu=0.5, gpu=2.0))
    assert facts == {
        "gpu_seconds": 1800,
        "node_seconds": 5400,
        "cost": 1.5,
        "cost_per_minute": 0.15,
    }
