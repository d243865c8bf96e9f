"""A painting dropped in styles/ becomes a style by itself, or is refused in one letter."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterInstance, SensorResult, build_sensor_context

from stylejobs import new_styles
from stylejobs.definitions import defs
from stylejobs.partitions import styles
from stylejobs.resources import StudioResource
from stylejobs.scoring.weights import load_weights, shipped_styles
from stylejobs.sensors import painting_sensor
from stylejobs.studio import Studio
from stylejobs_tests.training.pictures import painting


class Easel:
    """Where paintings are dropped, looked at, and trained."""

    def __init__(self, studio: Studio, instance: DagsterInstance) -> None:
        self.studio = studio
        self.instance = instance
        self.cursor: str | None = None

    def drop(self, path: str, content: bytes) -> None:
        self.studio.store.write(path, content)

    def tick(self) -> SensorResult:
        context = build_sensor_context(
            instance=self.instance, cursor=self.cursor, resources={"studio": StudioResource()}
        )
        result = painting_sensor(context)
        assert isinstance(result, SensorResult)
        self.cursor = result.cursor
        for request in result.dynamic_partitions_requests or ():
            self.instance.add_dynamic_partitions(styles.name, list(request.partition_keys))
        return result

    def look(self) -> SensorResult:
        """Once more where a painting may still be growing: an account shows only whole ones."""
        result = self.tick()
        return result if result.run_requests else self.tick()

    def train(self, style: str, iterations: int = 1, raises: bool = True):  # type: ignore[no-untyped-def]
        config = {"iterations": iterations, "painting_side": 128}
        return defs.resolve_job_def("train_a_style").execute_in_process(
            partition_key=style,
            instance=self.instance,
            run_config={"ops": {"style": {"config": config}}},
            raise_on_error=raises,
        )

    def letter(self, path: str) -> str:
        return self.studio.store.read(f"rejected/{path}.txt").decode()


@pytest.fixture
def stripes(tmp_path: Path) -> bytes:
    from PIL import Image

    Image.fromarray(painting()).save(tmp_path / "stripes.png")
    return (tmp_path / "stripes.png").read_bytes()


@pytest.fixture
def easel(studio: Studio, vgg_file: Path, monkeypatch: pytest.MonkeyPatch):  # type: ignore[no-untyped-def]
    monkeypatch.setenv("STYLEJOBS_VGG", str(vgg_file))
    monkeypatch.setattr(new_styles, "_PHOTOS_TO_MEASURE", 1)
    monkeypatch.setattr(new_styles, "_FRAMES_TO_LEARN", 2)
    with DagsterInstance.ephemeral() as instance:
        yield Easel(studio, instance)


def test_a_painting_asks_for_its_training_once(easel: Easel, stripes: bytes) -> None:
    easel.drop("styles/stripes.png", stripes)
    result = easel.look()
    assert [run.partition_key for run in result.run_requests or ()] == ["stripes"]
    assert easel.instance.has_dynamic_partition(str(styles.name), "stripes")
    assert not easel.tick().run_requests


def test_a_changed_painting_is_trained_again(easel: Easel, stripes: bytes) -> None:
    easel.drop("styles/stripes.png", stripes)
    first = easel.look().run_requests
    easel.drop("styles/stripes.png", stripes + b"\0")
    second = easel.look().run_requests
    assert first
    assert second
    assert first[0].run_key != second[0].run_key


def test_content_photos_are_no_paintings(easel: Easel, stripes: bytes) -> None:
    easel.drop("styles/photos/beach.png", stripes)
    assert not easel.look().run_requests


def test_the_shipped_styles_are_shown_with_their_painters(easel: Easel) -> None:
    events = {event.partition: event for event in easel.tick().asset_events or ()}
    assert set(events) == set(shipped_styles())
    shown = {"title", "artist", "year", "training", "style_loss", "sharpness_kept"}
    assert all(shown <= set(event.metadata) for event in events.values())
    assert not easel.tick().asset_events


def test_a_shipped_style_with_new_weights_is_shown_anew(easel: Easel) -> None:
    easel.tick()
    known = json.loads(easel.cursor or "")
    easel.cursor = json.dumps(
        {**known, "cards": {**known["cards"], "udnie": "of a release before"}}
    )
    (event,) = easel.tick().asset_events or ()
    assert event.partition == "udnie"


@pytest.mark.parametrize("name", ["broken.jpg", "a,b.png"])
def test_what_is_no_painting_is_refused_without_a_run(
    name: str, easel: Easel, stripes: bytes
) -> None:
    easel.drop(f"styles/{name}", b"no picture" if name == "broken.jpg" else stripes)
    assert not easel.look().run_requests
    assert f"styles/{name}" in easel.letter(f"styles/{name}")


def test_a_trained_style_is_published_and_measured(
    easel: Easel, stripes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_styles, "LEAST_GAINED", -100.0)
    monkeypatch.setattr("stylejobs.training.evaluate.FRAMES_TO_MEASURE", 2)
    easel.drop("styles/stripes.png", stripes)
    easel.look()
    result = easel.train("stripes")
    assert "stripes" in easel.studio.styles()
    with easel.studio.store.open_local("styles/stripes.safetensors") as file:
        style = load_weights(file)
    assert style.about["began_as"] in shipped_styles()
    (trained,) = result.asset_materializations_for_node("style")
    (measured,) = result.asset_materializations_for_node("style_scores")
    assert "data:image/jpeg" in str(trained.metadata["preview"].value)
    assert {"style_gained", "content_loss", "warping_error"} <= set(measured.metadata)
    # Nothing of the training stays in work/.
    assert not [o for o in easel.studio.store.list("work") if "checkpoint" in o.path]


def test_a_style_that_looks_like_nothing_is_not_published(
    easel: Easel, stripes: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(new_styles, "LEAST_GAINED", 2.0)
    easel.drop("styles/stripes.png", stripes)
    easel.look()
    result = easel.train("stripes", raises=False)
    assert not result.success
    assert "too little like" in easel.letter("styles/stripes.png")
    assert "stripes" not in easel.studio.styles()
    assert easel.instance.get_latest_materialization_event(AssetKey("style")) is None


def test_a_style_without_a_painting_says_what_to_do(easel: Easel) -> None:
    easel.instance.add_dynamic_partitions(str(styles.name), ["nothing"])
    result = easel.train("nothing", raises=False)
    assert not result.success
    failure = result.failure_data_for_node("style")
    assert failure
    assert failure.user_failure_data
    assert "styles/nothing.jpg" in str(failure.user_failure_data.description)
