import hashlib
import re
from collections.abc import Callable
from pathlib import Path

import pytest
from dagster import AssetKey, ExecuteInProcessResult, evaluate_automation_conditions
from dagster._core.definitions.data_version import CachingStaleStatusResolver, StaleStatus
from dagster._core.loader import LoadingContextForTest
from safetensors.numpy import save

from stylejobs.definitions import defs
from stylejobs.media.audio import audio_suffix
from stylejobs.media.verify import compare
from stylejobs.storage.clips import Clip
from stylejobs.storage.parts import commit_part
from stylejobs_tests.conftest import random_weights, run_ffmpeg, tone
from stylejobs_tests.pipeline.desk import STYLE, Desk, studio_of_environment

Clips = Callable[[str], Path]
ALL = (0, 7)


def digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()


def failure(result: ExecuteInProcessResult) -> str:
    (event,) = [e for e in result.all_events if e.is_step_failure]
    data = event.step_failure_data
    return str(data.user_failure_data.description if data.user_failure_data else data.error)


def segments(desk: Desk, shard: str) -> list[str]:
    """The finished segments in a shard's folder, in order."""
    return sorted(o.path for o in desk.studio.store.list(shard) if o.path.endswith(".mp4"))


def metadata(result: ExecuteInProcessResult, asset: str, partition: str) -> dict[str, object]:
    (found,) = [
        e.materialization
        for e in result.get_asset_materialization_events()
        if e.asset_key == AssetKey(asset) and e.partition == partition
    ]
    return {name: value.value for name, value in found.metadata.items()}


@pytest.fixture
def video(desk: Desk, clip: Clips) -> Clip:
    """A clip of 48 frames in three shards that the sensor has accepted."""
    accepted = desk.drop(clip("b_frames.mp4"))
    desk.tick()
    return accepted


@pytest.mark.parametrize("name", ["ntsc.mp4", "vfr.mp4", "late_video.mp4", "late_audio.mp4"])
def test_an_upload_comes_back_with_every_frame_at_its_time_and_its_sound(
    desk: Desk, clip: Clips, name: str
) -> None:
    accepted = desk.drop(clip(name))
    desk.tick()
    painted = desk.paint(accepted)
    assert compare(clip(name), painted) == []


def test_the_checks_pass_on_a_good_delivery_and_fail_on_a_bad_one(
    desk: Desk, clip: Clips, video: Clip
) -> None:
    desk.paint(video)
    good = desk.run("finish", video).get_asset_check_evaluations()
    assert {c.check_name: c.passed for c in good} == {
        "frames_and_times": True,
        "sound": True,
        "duration": True,
    }
    other = desk.drop(clip("single_frame.mp4"), "other.mp4")
    desk.tick()
    desk.put(desk.paint(other), video.painted_path(".mp4"))
    checks = desk.run("finish", video, assets=(), raises=False)
    assert checks.success  # delivering again heals it


def test_frames_and_styled_frames_hold_each_frame_once(desk: Desk, video: Clip) -> None:
    result = desk.run("paint", video, ALL)
    for asset in ("frames", "styled_frames"):
        counts = [metadata(result, asset, f"{video.key}|{n:02d}")["frames"] for n in range(8)]
        assert counts == [16, 16, 16, 0, 0, 0, 0, 0]


def test_previews_are_pictures_that_the_ui_shows(desk: Desk, video: Clip) -> None:
    result = desk.run("paint", video, (0, 0))
    for asset in ("frames", "styled_frames"):
        preview = str(metadata(result, asset, f"{video.key}|00")["preview"])
        assert preview.startswith("![")
        assert "data:image/jpeg;base64," in preview
        assert len(preview) < 85_000


def test_shards_can_be_made_alone_and_in_any_order(desk: Desk, clip: Clips, video: Clip) -> None:
    desk.run("prepare", video)
    for shard in (2, 7, 0, 1, 6, 5, 4, 3):
        desk.run("paint", video, (shard, shard))
    desk.run("finish", video)
    assert compare(clip("b_frames.mp4"), desk.painted(video)) == []


def test_making_a_part_again_gives_the_same_bytes(desk: Desk, video: Clip) -> None:
    first = digest(desk.paint(video))
    place = desk.studio.workplace(video)
    parts = [o.path for o in desk.studio.store.list(place.root) if o.path.endswith(".mp4")]
    before = {path: desk.studio.store.read(path) for path in parts}
    again = {"config": {"again": True}}
    desk.run("prepare", video)
    desk.run("paint", video, ALL, config={"frames": again, "styled_frames": again})
    desk.run("finish", video)
    assert {path: desk.studio.store.read(path) for path in parts} == before
    assert len(parts) == 3 + 3 + 1
    assert digest(desk.painted(video)) == first


def test_finished_parts_are_kept_unless_asked_otherwise(desk: Desk, video: Clip) -> None:
    desk.run("paint", video, ALL)
    result = desk.run("paint", video, ALL)
    assert metadata(result, "styled_frames", f"{video.key}|00")["reused"] is True
    again = {"config": {"again": True}}
    result = desk.run("paint", video, (0, 0), config={"frames": again, "styled_frames": again})
    assert metadata(result, "styled_frames", f"{video.key}|00")["reused"] is False


@pytest.mark.parametrize(
    ("job", "shards", "assets", "missing"),
    [
        ("finish", None, (), "Materialise 'styled_frames'"),
        ("paint", (0, 0), ("styled_frames",), "Materialise 'frames' first"),
    ],
)
def test_a_missing_input_is_named_with_its_remedy(
    desk: Desk,
    video: Clip,
    job: str,
    shards: tuple[int, int] | None,
    assets: tuple[str, ...],
    missing: str,
) -> None:
    result = desk.run(job, video, shards, assets, raises=False)
    assert missing in failure(result)
    assert list(desk.studio.store.list("painted")) == []


def test_a_damaged_part_is_never_delivered(desk: Desk, video: Clip) -> None:
    first = digest(desk.paint(video))
    recipe = desk.studio.recipe(STYLE)
    (part,) = segments(desk, desk.studio.workplace(video).styled(recipe.version, 1))
    content = bytearray(desk.studio.store.read(part))
    content[len(content) // 2] ^= 0xFF
    desk.studio.store.write(part, bytes(content))
    assert "Shard 01" in failure(desk.run("finish", video, raises=False))
    desk.run("paint", video, ALL)
    desk.run("finish", video)
    assert digest(desk.painted(video)) == first


def test_a_video_that_is_not_its_upload_is_not_published(
    desk: Desk, clip: Clips, video: Clip, tmp_path: Path
) -> None:
    desk.run("prepare", video)
    desk.run("paint", video, ALL)
    place = desk.studio.workplace(video)
    manifest = desk.studio.manifest(place)
    other = run_ffmpeg(tone(1), out=tmp_path / "other.mp4", acodec="aac")
    commit_part(desk.studio.store, place.audio(audio_suffix(manifest)), other, 0, {})
    told = failure(desk.run("finish", video, raises=False))
    assert "it was not published: audio track 0 packets" in told
    assert list(desk.studio.store.list("painted")) == []


@pytest.mark.parametrize(("job", "shards"), [("prepare", None), ("paint", (0, 0))])
def test_a_run_of_a_replaced_upload_leaves_the_new_version_to_its_own_runs(
    desk: Desk, clip: Clips, video: Clip, job: str, shards: tuple[int, int] | None
) -> None:
    (request,) = [r for r in desk.requests if r.job_name == job]
    desk.drop(clip("ntsc.mp4"), video.name)
    desk.tick()
    old = desk.run(job, video, shards, raises=False, tags=request.tags)
    assert "changed while it was in work" in failure(old)
    assert old.get_asset_materialization_events() == []
    new = [r for r in desk.requests if r.job_name == job][-1]
    assert desk.run(job, video, shards, tags=new.tags).success


def test_an_upload_that_changes_in_mid_work_is_delivered_in_its_new_version_only(
    desk: Desk, clip: Clips, video: Clip
) -> None:
    desk.run("prepare", video)
    desk.run("paint", video, ALL)
    desk.drop(clip("ntsc.mp4"), video.name)
    # The old version's parts are all there, and none of them is used for the new one.
    assert "not painted yet" in failure(desk.run("finish", video, raises=False))
    desk.tick()
    assert compare(clip("ntsc.mp4"), desk.paint(video)) == []


def test_a_damaged_video_is_painted_with_every_frame_where_the_setting_says_so(
    desk: Desk, damaged: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STYLEJOBS_REPAIR_DAMAGE", "true")
    desk.studio = studio_of_environment()
    broken = desk.drop(damaged)
    desk.tick()
    assert compare(damaged, desk.paint(broken)) == []


def test_a_video_with_damage_in_the_middle_is_refused_with_the_time(
    desk: Desk, damaged: Path
) -> None:
    broken = desk.drop(damaged)
    desk.tick()
    result = desk.run("paint", broken, ALL, raises=False)
    assert re.search(r"at \d\.\d+ s", failure(result))
    letter = desk.studio.store.read(broken.rejection_path).decode()
    assert re.search(r"at \d\.\d+ s", letter)
    assert list(desk.studio.store.list("painted")) == []


def test_a_style_that_is_no_network_fails_with_a_sentence(desk: Desk, video: Clip) -> None:
    desk.studio.store.write(f"styles/{STYLE}.safetensors", b"no tensors")
    result = desk.run("paint", video, ALL, raises=False)
    assert "no readable safetensors file" in failure(result)


def test_a_silent_video_is_painted(desk: Desk, clip: Clips) -> None:
    silent = desk.drop(clip("silent.mp4"))
    desk.tick()
    assert compare(clip("silent.mp4"), desk.paint(silent)) == []


def stale_assets(desk: Desk, video: Clip) -> set[str]:
    graph = defs.resolve_asset_graph()
    resolver = CachingStaleStatusResolver(
        desk.instance, graph, LoadingContextForTest(desk.instance)
    )
    keys = {name: video.key for name in ("manifest", "audio", "final_video")}
    keys |= {name: f"{video.key}|00" for name in ("frames", "styled_frames")}
    return {
        name
        for name, partition in keys.items()
        if resolver.get_status(AssetKey(name), partition) is StaleStatus.STALE
    }


def test_a_changed_style_shows_its_painted_frames_as_stale(desk: Desk, video: Clip) -> None:
    desk.paint(video)
    assert stale_assets(desk, video) == set()
    desk.studio.store.write(f"styles/{STYLE}.safetensors", save(random_weights(seed=1)))
    desk.tick()
    assert stale_assets(desk, video) == {"styled_frames"}
    desk.run("paint", video, ALL)
    assert stale_assets(desk, video) == {"final_video"}
    desk.run("finish", video)
    assert stale_assets(desk, video) == set()


def test_a_changed_setting_shows_the_manifests_made_before_it_as_stale(
    desk: Desk, clip: Clips, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as earlier:
        earlier.setenv("STYLEJOBS_MIN_SHARD_FRAMES", "20")
        video = desk.drop(clip("cfr.mp4"))
        desk.tick()
    assert "manifest" in stale_assets(desk, video)
    desk.run("prepare", video)
    assert "manifest" not in stale_assets(desk, video)


def test_a_changed_upload_shows_its_frames_and_sound_as_stale(
    desk: Desk, clip: Clips, video: Clip
) -> None:
    desk.paint(video)
    desk.drop(clip("ntsc.mp4"), video.name)
    desk.tick()
    assert {"audio", "frames"} <= stale_assets(desk, video)


@pytest.fixture
def requested(desk: Desk) -> Callable[[], int]:
    """Lets the automation look; says how many final videos it asks for."""
    cursor = None

    def look() -> int:
        nonlocal cursor
        result = evaluate_automation_conditions(defs, desk.instance, cursor=cursor)
        cursor = result.cursor
        return result.get_num_requested(AssetKey("final_video"))

    return look


def test_the_final_video_is_asked_for_once_when_all_parts_are_there(
    desk: Desk, video: Clip, requested: Callable[[], int]
) -> None:
    assert requested() == 0
    desk.run("prepare", video)
    assert requested() == 0
    desk.run("paint", video, (0, 3))
    assert requested() == 0
    desk.run("paint", video, (4, 7))
    assert requested() == 1
    desk.run("finish", video)
    assert requested() == 0


def test_a_run_that_comes_too_late_does_not_hold_up_the_final_video_of_the_new_version(
    desk: Desk, clip: Clips, video: Clip, requested: Callable[[], int]
) -> None:
    (late,) = [r for r in desk.requests if r.job_name == "paint"]
    desk.paint(video)
    assert requested() == 0
    desk.drop(clip("ntsc.mp4"), video.name)
    desk.tick()
    desk.run("prepare", video)
    desk.run("paint", video, ALL)
    assert not desk.run("paint", video, ALL, raises=False, tags=late.tags).success
    assert requested() == 1
