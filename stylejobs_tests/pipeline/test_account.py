"""What the pipeline does only in a storage account."""

import json
from collections.abc import Callable
from pathlib import Path

import pytest
from azure.storage.blob import ContainerClient

from stylejobs.storage.clips import Clip
from stylejobs.storage.store import StoreError
from stylejobs_tests.conftest import pattern, run_ffmpeg, tone
from stylejobs_tests.emulator import Emulator, Proxy
from stylejobs_tests.pipeline.desk import STYLE, Desk

Clips = Callable[[str], Path]


@pytest.fixture
def inbox(account: Emulator) -> ContainerClient:
    return account.owner().get_container_client(account.containers["inbox"])


def letters(desk: Desk) -> str:
    return "\n".join(desk.studio.store.read(name).decode() for name in desk.names("rejected"))


class TestMetadata:
    def test_the_style_that_the_uploader_names_goes_before_the_folder(
        self, desk: Desk, clip: Clips, inbox: ContainerClient, account: Emulator
    ) -> None:
        content = clip("single_frame.mp4").read_bytes()
        said = {"Style": STYLE, "strength": "0.5"}
        inbox.upload_blob("a.mp4", content, metadata=said)
        inbox.upload_blob("holiday/b.mp4", content, metadata=said)
        desk.tick()
        assert letters(desk) == ""
        a = Clip(style=STYLE, name="a.mp4", folder="")
        b = Clip(style=STYLE, name="b.mp4", folder="holiday", controls={"strength": "0.5"})
        assert set(desk.instance.get_dynamic_partitions("clips")) == {a.key, b.key}
        assert desk.studio.clip(b.key) == b
        desk.paint_all(b)
        assert desk.names("painted") == ["painted/holiday/b.mp4"]
        assert desk.studio.recipe_of(b).controls.strength == 0.5

    def test_a_control_that_cannot_be_is_refused(
        self, desk: Desk, clip: Clips, inbox: ContainerClient, account: Emulator
    ) -> None:
        content = clip("single_frame.mp4").read_bytes()
        inbox.upload_blob(f"{STYLE}/a.mp4", content, metadata={"steady": "very"})
        desk.tick()
        assert "steady='very'" in letters(desk)
        assert "Correct the upload's metadata" in letters(desk)

    def test_a_style_that_does_not_exist_is_refused(
        self, desk: Desk, clip: Clips, inbox: ContainerClient, account: Emulator
    ) -> None:
        content = clip("single_frame.mp4").read_bytes()
        inbox.upload_blob(f"{STYLE}/a.mp4", content, metadata={"style": "../../x"})
        desk.tick()
        assert "no style '../../x'" in letters(desk)
        assert desk.names("rejected") == [f"rejected/{STYLE}/a.mp4.txt"]

    def test_changed_metadata_is_a_new_version(
        self, desk: Desk, clip: Clips, inbox: ContainerClient, account: Emulator
    ) -> None:
        blob = inbox.upload_blob("a.mp4", clip("single_frame.mp4").read_bytes())
        desk.tick()
        assert "no style's folder" in letters(desk)
        blob.set_blob_metadata({"style": STYLE})
        desk.tick()
        assert letters(desk) == ""
        assert len(desk.requests) == 2


class TestTick:
    def test_odd_names_are_refused_and_stop_nobody(
        self, desk: Desk, clip: Clips, inbox: ContainerClient, account: Emulator
    ) -> None:
        content = clip("single_frame.mp4").read_bytes()
        for name in (f"{STYLE}//a.mp4", "/a.mp4", "new\nline.mp4", f"{STYLE}/dir/"):
            inbox.upload_blob(name, content)
        good = desk.drop(clip("single_frame.mp4"))
        desk.tick()
        assert desk.instance.get_dynamic_partitions("clips") == [good.key]
        assert len(desk.names("rejected")) == 4
        assert desk.tick().asset_events == []

    def test_a_long_listing_goes_on_in_the_next_tick(
        self, desk: Desk, clip: Clips, account: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stylejobs.storage.blob_listing._PAGE", 2)
        monkeypatch.setattr("stylejobs.sensors.listing.MAX_LISTING_SECONDS", 0)
        for number in range(5):
            desk.drop(clip("single_frame.mp4"), f"{number}.mp4")
        counts = []
        for _ in range(4):
            desk.tick()
            counts.append(len(desk.requests) // 2)
        assert counts == [2, 4, 5, 5]
        desk.drop(clip("cfr.mp4"), "0.mp4")
        desk.tick(3)
        assert len(desk.requests) == 12

    def test_a_place_in_the_listing_that_is_no_longer_valid_is_given_up(
        self,
        desk: Desk,
        clip: Clips,
        account: Emulator,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("STYLEJOBS_STORE", proxy.url)
        desk.drop(clip("single_frame.mp4"))
        desk.cursor = json.dumps({"page": "gone"})
        proxy.fault = lambda method, path: 400 if "marker=gone" in path else None
        desk.tick()
        assert len(desk.requests) == 2

    def test_a_large_upload_is_not_fetched_by_the_sensor(
        self, desk: Desk, clip: Clips, account: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setenv("STYLEJOBS_PROBE_BYTES", "1000")
        video = desk.drop(clip("cfr.mp4"))
        desk.tick()
        prepare = desk.requests[0]
        assert [key.to_user_string() for key in prepare.asset_selection or ()] == [
            "manifest",
            "audio",
        ]
        assert desk.names("work") == [video.card_path]

    def test_a_style_too_large_to_be_one_is_never_fetched(
        self, desk: Desk, clip: Clips, account: Emulator, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr("stylejobs.scoring.weights.MAX_BYTES", 100)
        desk.drop(clip("single_frame.mp4"))
        desk.tick()
        assert "a style has at most 100" in letters(desk)

    def test_an_account_that_is_busy_for_a_while_loses_no_upload(
        self,
        desk: Desk,
        clip: Clips,
        account: Emulator,
        proxy: Proxy,
        monkeypatch: pytest.MonkeyPatch,
    ) -> None:
        monkeypatch.setenv("STYLEJOBS_STORE", proxy.url)
        monkeypatch.setattr("stylejobs.storage.account._Retry.get_backoff_time", lambda *_: 0.01)
        video = desk.drop(clip("single_frame.mp4"))
        for after in range(0, 12, 3):
            passed = iter(range(after))
            proxy.fault = lambda method, path, p=passed: None if next(p, None) is not None else 503
            with pytest.raises(StoreError, match="too busy"):
                desk.tick()
            assert desk.requests == []
        proxy.fault = lambda method, path: None
        desk.tick()
        assert len(desk.requests) == 2
        assert desk.instance.get_dynamic_partitions("clips") == [video.key]
        assert desk.names("rejected") == []


class TestRanges:
    @pytest.fixture
    def long(self, tmp_path: Path) -> Path:
        """Ten seconds with a keyframe every half: 8 shards of 30 frames."""
        options = {"vcodec": "libx264", "preset": "ultrafast", "g": 12, "pix_fmt": "yuv420p"}
        return run_ffmpeg(pattern(seconds=10), tone(10), out=tmp_path / "long.mp4", **options)

    @pytest.fixture
    def fetched(
        self, account: Emulator, proxy: Proxy, monkeypatch: pytest.MonkeyPatch
    ) -> Callable[[], int]:
        """How many ranges of uploads were fetched; they are small, and no store is open yet."""
        monkeypatch.setattr("stylejobs.storage.block_cache.BLOCK", 10_000)
        monkeypatch.setenv("STYLEJOBS_STORE", proxy.url)
        inbox = f"/{account.containers['inbox']}/{STYLE}/"
        return lambda: sum(method == "GET" and inbox in path for method, path in proxy.seen)

    def test_a_shard_takes_no_more_of_an_upload_than_it_needs(
        self, desk: Desk, fetched: Callable[[], int], long: Path, tmp_path: Path
    ) -> None:
        video = desk.drop(long)
        desk.tick()
        blocks = -(-long.stat().st_size // 10_000)
        before = fetched()
        assert before >= blocks  # the manifest needs all of it
        desk.run("paint", video, shards=(4, 4), assets=["frames"])
        assert 0 < fetched() - before < blocks / 3
        desk.run("prepare", video)
        files = [file for file in (tmp_path / "tmp").rglob("*") if file.is_file()]
        assert files  # parts
        assert long.stat().st_size not in {file.stat().st_size for file in files}

    def test_one_that_is_replaced_while_a_shard_is_cut_leaves_no_part(
        self, desk: Desk, clip: Clips, fetched: Callable[[], int], long: Path, proxy: Proxy
    ) -> None:
        video = desk.drop(long)
        desk.tick()
        start = fetched()

        def replace(method: str, path: str) -> None:
            if fetched() == start + 4:
                desk.drop(clip("ntsc.mp4"), video.name)

        proxy.fault = replace
        result = desk.run("paint", video, shards=(4, 4), assets=["frames"], raises=False)
        assert not result.success
        assert fetched() >= start + 4
        (step,) = [e for e in result.all_events if e.is_step_failure]
        assert "changed while it was in work" in str(step.step_failure_data.user_failure_data)
        assert not [name for name in desk.names("work") if "/frames/" in name]
