"""What only a folder does: links, names that are no text, leftovers beside the content."""

import os
from pathlib import Path

import pytest

from stylejobs.storage.folder import FolderStore
from stylejobs.storage.store import StoreError


@pytest.fixture
def store(tmp_path: Path) -> FolderStore:
    return FolderStore(tmp_path / "store")


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


def test_one_hostile_name_does_not_hide_the_other_files(store: FolderStore) -> None:
    store.write("inbox/mosaic/good.mp4", b"x")
    folder = os.fsencode(store.root / "inbox/mosaic")
    for name in (b"new\nline.mp4", b"no-utf8-\xff.mp4"):
        Path(os.fsdecode(folder + b"/" + name)).write_bytes(b"x")
    assert "inbox/mosaic/good.mp4" in {o.path for o in store.list("inbox")}
