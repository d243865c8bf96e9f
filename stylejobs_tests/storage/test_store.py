import os
from pathlib import Path

import pytest

from stylejobs.storage.parts import commit_part, find_part
from stylejobs.storage.store import FolderStore, StoreError


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


def test_what_is_written_is_read_back_and_listed(store: FolderStore) -> None:
    store.write("inbox/mosaic/a.mp4", b"one")
    store.write("inbox/udnie/deep/b.mp4", b"three")
    assert store.read("inbox/mosaic/a.mp4") == b"one"
    listed = {o.path: o.size for o in store.list("inbox")}
    assert listed == {"inbox/mosaic/a.mp4": 3, "inbox/udnie/deep/b.mp4": 5}


def test_an_etag_changes_with_the_content_and_only_then(store: FolderStore) -> None:
    store.write("inbox/a", b"one")
    first = store.head("inbox/a")
    assert store.head("inbox/a") == first
    store.write("inbox/a", b"two")
    second = store.head("inbox/a")
    assert first
    assert second
    assert first.etag != second.etag


def test_nothing_is_left_behind_by_a_write_that_fails(store: FolderStore) -> None:
    with pytest.raises(RuntimeError), store.scratch() as folder:
        (folder / "half").write_bytes(b"half")
        raise RuntimeError
    assert [o.path for o in store.list(".partial")] == []


def test_what_a_killed_process_left_is_swept_away_after_two_days(store: FolderStore) -> None:
    old, young = store.root / ".partial/old", store.root / ".partial/young"
    for folder in (old, young):
        folder.mkdir(parents=True)
        (folder / "half").write_bytes(b"half")
    os.utime(old, (0, 0))
    store.write("inbox/a", b"x")
    assert young.exists()
    assert not old.exists()


@pytest.mark.parametrize("path", ["../escape", "inbox/../../escape", "/etc/passwd", ""])
def test_no_path_leads_out_of_the_store(store: FolderStore, path: str) -> None:
    with pytest.raises(StoreError):
        store.write(path, b"x")
    with pytest.raises(StoreError):
        store.read(path)


def test_a_link_is_listed_as_one_and_never_followed(store: FolderStore, tmp_path: Path) -> None:
    secret = tmp_path / "secret"
    secret.write_text("secret")
    store.make_folder("inbox/mosaic")
    (store.root / "inbox/mosaic/a.mp4").symlink_to(secret)
    (store.root / "inbox/loop").symlink_to(store.root / "inbox")
    assert {o.path: o.is_link for o in store.list("inbox")} == {
        "inbox/mosaic/a.mp4": True,
        "inbox/loop": True,
    }
    with pytest.raises(StoreError):
        store.read("inbox/mosaic/a.mp4")


NAMES = ["a b.mp4", 'it\'s "q".mp4', "日本 ü.mp4", "a|b.mp4", "-rf.mp4", "%41#?*.mp4", "$(x)`y`"]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_kept_as_they_are(store: FolderStore, name: str) -> None:
    store.write(f"painted/{name}", b"x")
    assert [o.path for o in store.list("painted")] == [f"painted/{name}"]


def test_one_hostile_name_does_not_hide_the_other_files(store: FolderStore) -> None:
    store.write("inbox/mosaic/good.mp4", b"x")
    folder = os.fsencode(store.root / "inbox/mosaic")
    for name in (b"new\nline.mp4", b"no-utf8-\xff.mp4"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x")
    assert "inbox/mosaic/good.mp4" in {o.path for o in store.list("inbox")}


class TestParts:
    def test_a_part_is_found_once_it_is_committed(self, store: FolderStore, tmp_path: Path) -> None:
        made = tmp_path / "made"
        made.write_bytes(b"frames")
        assert find_part(store, "work/a.mp4") is None
        part = commit_part(store, "work/a.mp4", made, 7, {"fps": 1.5})
        assert find_part(store, "work/a.mp4") == part
        assert (part.frames, part.size) == (7, 6)

    def test_an_empty_part_needs_no_file(self, store: FolderStore) -> None:
        part = commit_part(store, "work/a.mp4", None, 0, {})
        assert find_part(store, "work/a.mp4") == part

    def test_a_file_without_its_marker_is_void(self, store: FolderStore) -> None:
        store.write("work/a.mp4", b"frames")
        assert find_part(store, "work/a.mp4") is None

    @pytest.mark.parametrize("content", [b"framez", b"frame", b""])
    def test_a_damaged_file_is_void(
        self, store: FolderStore, tmp_path: Path, content: bytes
    ) -> None:
        made = tmp_path / "made"
        made.write_bytes(b"frames")
        commit_part(store, "work/a.mp4", made, 7, {})
        store.write("work/a.mp4", content)
        assert find_part(store, "work/a.mp4") is None

    def test_a_marker_without_its_file_is_void(self, store: FolderStore, tmp_path: Path) -> None:
        made = tmp_path / "made"
        made.write_bytes(b"frames")
        commit_part(store, "work/a.mp4", made, 7, {})
        store.delete("work/a.mp4")
        assert find_part(store, "work/a.mp4") is None

    def test_a_half_written_marker_is_void(self, store: FolderStore) -> None:
        store.write("work/a.mp4", b"frames")
        store.write("work/a.mp4.json", b'{"frames": 7, "si')
        assert find_part(store, "work/a.mp4") is None
