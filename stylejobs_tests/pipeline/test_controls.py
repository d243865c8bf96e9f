"""Strength, colours, lines, steadiness and blends, from who asks for them to the painted video."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import AssetKey, DagsterEventType
from safetensors.numpy import save

from stylejobs.media.verify import compare
from stylejobs.scoring.weights import file_digest
from stylejobs.sensors.memory import latest_versions
from stylejobs.storage.clips import Clip, version_of
from stylejobs.studio import PAINT_VERSION
from stylejobs_tests.conftest import random_weights
from stylejobs_tests.pipeline.desk import STYLE, Desk, studio_of_environment
from stylejobs_tests.pipeline.test_assets import failure
from stylejobs_tests.pipeline.test_by_hand import ask, reason, started

Clips = Callable[[str], Path]
ALL = (0, 7)


@pytest.fixture
def video(desk: Desk, clip: Clips) -> Clip:
    """A clip of 48 frames in three shards that the sensor has accepted."""
    accepted = desk.drop(clip("b_frames.mp4"))
    desk.tick()
    return accepted


@pytest.fixture
def steady(desk: Desk, video: Clip, monkeypatch: pytest.MonkeyPatch) -> Clip:
    """The same, to be painted steadily, in pieces of six frames."""
    monkeypatch.setenv("STYLEJOBS_SEGMENT_SECONDS", "0.25")
    desk.studio = studio_of_environment()
    asked = video.asking({"steady": "0.5"})
    desk.studio.remember(asked)
    return asked


def pieces(desk: Desk, clip: Clip) -> dict[str, bytes]:
    """Every painted piece of a clip's present recipe, by its path."""
    recipe = desk.studio.recipe_of(clip).version
    folder = f"{desk.studio.workplace(clip).root}/styled-{recipe}"
    names = [each.path for each in desk.studio.store.list(folder)]
    return {name: desk.studio.store.read(name) for name in names if name.endswith(".mp4")}


def family(desk: Desk, *names: str) -> None:
    """Puts styles in the store that share their convolutions."""
    for seed, name in enumerate(names):
        weights = random_weights()
        weights["in5.bias"] = weights["in5.bias"] + seed
        desk.studio.store.write(f"styles/{name}.safetensors", save(weights))


class TestRecipe:
    def test_it_stays_as_it_was_where_nobody_asks_for_anything(
        self, desk: Desk, video: Clip, style_file: Path
    ) -> None:
        hashed = version_of(PAINT_VERSION, file_digest(style_file), desk.studio.settings.encoder)
        assert desk.studio.recipe_of(video).version == f"{STYLE}-{hashed}"
        usual = video.asking({"strength": "1", "steady": "off"})
        assert desk.studio.recipe_of(usual).version == f"{STYLE}-{hashed}"

    def test_it_changes_with_each_control_and_with_the_settings(
        self, desk: Desk, video: Clip, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        asked = [{}, {"strength": "0.5"}, {"colours": "source"}, {"lines": "64"}, {"steady": "0.5"}]
        before = {desk.studio.recipe_of(video.asking(each)).version for each in asked}
        assert len(before) == len(asked)
        monkeypatch.setenv("STYLEJOBS_STEADY", "0.8")
        after = {studio_of_environment().recipe_of(video.asking(each)).version for each in asked}
        assert len(before | after) == 2 * len(asked)

    def test_a_blend_is_of_its_parts(self, desk: Desk) -> None:
        family(desk, "wave", "night")
        recipe = desk.studio.recipe("wave:7,night:3")
        assert recipe.version == desk.studio.recipe("night:0.3,wave:0.7").version
        assert recipe.version != desk.studio.recipe("night:0.4,wave:0.6").version
        family(desk, "other", "night")
        assert recipe.version == desk.studio.recipe("wave:7,night:3").version
        family(desk, "night")
        assert recipe.version != desk.studio.recipe("wave:7,night:3").version

    def test_new_weights_show_videos_with_controls_of_their_own_as_stale_too(
        self, desk: Desk, steady: Clip
    ) -> None:
        def reported() -> list[str | None]:
            return [
                event.partition
                for event in desk.tick().asset_events
                if event.asset_key == AssetKey("recipe")
            ]

        desk.tick()
        assert reported() == []
        desk.studio.store.write(f"styles/{STYLE}.safetensors", save(random_weights(seed=1)))
        assert set(reported()) == {steady.key}
        assert reported() == []


class TestSteadiness:
    def test_pieces_are_the_same_however_they_come_to_be_painted(
        self, desk: Desk, steady: Clip
    ) -> None:
        desk.run("prepare", steady)
        desk.run("paint", steady, ALL)
        first = pieces(desk, steady)
        assert len(first) == 9
        store = desk.studio.store
        for path in list(first)[1::2]:  # as if a machine had gone away now and then
            store.delete(path)
        for shard in range(3):
            store.delete(f"{desk.studio.workplace(steady).styled('', shard)}.json")
        desk.run("paint", steady, (1, 1))  # without its neighbours
        desk.run("paint", steady, ALL)
        assert pieces(desk, steady) == first
        plain = steady.asking({})
        desk.studio.remember(plain)
        desk.run("paint", plain, ALL)
        different = set(first.values()) - set(pieces(desk, plain).values())
        assert len(different) == len(first)

    def test_a_shard_may_be_the_first_to_be_painted(self, desk: Desk, steady: Clip) -> None:
        desk.run("paint", steady, (2, 2))
        alone = pieces(desk, steady)
        assert len(alone) == 3
        desk.run("paint", steady, ALL)
        assert {path: pieces(desk, steady)[path] for path in alone} == alone

    def test_frames_that_were_cut_without_those_before_are_not_enough(
        self, desk: Desk, steady: Clip
    ) -> None:
        desk.studio.remember(steady.asking({}))
        desk.run("paint", steady, ALL, assets=["frames"])
        desk.studio.remember(steady)
        told = failure(desk.run("paint", steady, (1, 1), assets=["styled_frames"], raises=False))
        assert "The frames before those of inbox/tiny/b_frames.mp4, shard 01" in told
        assert "Materialise 'frames' first" in told
        desk.run("paint", steady, (1, 1))


class TestLaunchpad:
    def test_what_is_asked_for_is_remembered_and_reported(self, desk: Desk, video: Clip) -> None:
        call = ("paint_one_video", "find_video")
        desk.run("prepare", video)
        started(desk, ask(desk, *call, video=video.key, strength=0.6, colours="source"))
        prepare, paint = started(desk, ask(desk, *call, video=video.key, strength=0.7))
        assert (prepare.job_name, paint.job_name) == ("prepare", "paint")
        known = desk.studio.clip(video.key)
        assert known.controls == {"strength": "0.7", "colours": "source"}
        kind = DagsterEventType.ASSET_MATERIALIZATION
        reported = latest_versions(desk.instance, AssetKey("recipe"), kind)
        assert reported == {video.key: desk.studio.recipe_of(known).version}
        desk.drop(video_file(desk, video))  # a new version of the same video
        desk.tick()
        assert desk.studio.clip(video.key).controls == known.controls

    def test_what_cannot_be_is_explained_and_not_remembered(self, desk: Desk, video: Clip) -> None:
        result = ask(desk, "paint_one_video", "find_video", video=video.key, strength=7)
        assert "strength='7.0'" in reason(result)
        assert desk.studio.clip(video.key).controls == {}

    def test_a_copy_is_painted_with_a_blend_and_controls(
        self, desk: Desk, clip: Clips, video: Clip
    ) -> None:
        family(desk, "wave", "night")
        blend = "wave:0.7,night:0.3"
        call = ("repaint_with_another_style", "copy_upload")
        assert ask(desk, *call, video=video.key, style=blend, lines=64, strength=0.8).success
        desk.tick()
        twin = Clip(style=blend, name=video.name)
        assert desk.studio.clip(twin.key).controls == {"lines": "64", "strength": "0.8"}
        assert compare(clip("b_frames.mp4"), desk.paint(desk.studio.clip(twin.key))) == []
        stranger = ask(desk, *call, video=video.key, style="wave:0.7,nobody:0.3")
        assert "no style 'nobody'" in reason(stranger)


def video_file(desk: Desk, clip: Clip) -> Path:
    copy = desk.folder / clip.name
    copy.write_bytes(desk.studio.store.read(clip.upload_path))
    return copy


def test_styles_of_two_families_are_not_blended(desk: Desk, clip: Clips) -> None:
    desk.studio.store.write("styles/other.safetensors", save(random_weights(seed=1)))
    mixed = desk.drop(clip("single_frame.mp4"), style=f"{STYLE}:0.5,other:0.5")
    desk.tick()
    told = failure(desk.run("paint", mixed, (0, 0), raises=False))
    assert "cannot be blended: they are not of one family" in told
