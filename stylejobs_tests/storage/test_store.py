"""What every store does, tried on each."""

from pathlib import Path

import pytest

from stylejobs.storage.folder import FolderStore
from stylejobs.storage.parts import commit_part, find_part
from stylejobs.storage.store import Store, StoreError
from stylejobs_tests.emulator import Emulator


@pytest.fixture(params=["folder", "azurite"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    if request.param == "folder":
        return FolderStore(tmp_path / "store")
    account: Emulator = request.getfixturevalue("account")
    return account.store()


def test_what_is_written_is_read_back_and_listed(store: Store) -> None:
    store.write("inbox/mosaic/a.mp4", b"one")
    store.write("inbox/udnie/deep/b.mp4", b"three")
    assert store.read("inbox/mosaic/a.mp4") == b"one"
    listed = {o.path: o.size for o in store.list("inbox")}
    assert listed == {"inbox/mosaic/a.mp4": 3, "inbox/udnie/deep/b.mp4": 5}
    assert [o.path for o in store.list("inbox/mosaic")] == ["inbox/mosaic/a.mp4"]
    assert list(store.list("inbox/mos")) == []


def test_an_etag_changes_with_the_content_and_only_then(store: Store) -> None:
    store.write("inbox/a", b"one")
    first = store.head("inbox/a")
    assert store.head("inbox/a") == first
    store.write("inbox/a", b"two")
    second = store.head("inbox/a")
    assert first
    assert second
    assert first.etag != second.etag


@pytest.mark.parametrize("path", ["../escape", "inbox/../../escape", "/etc/passwd", ""])
def test_no_path_leads_out_of_the_store(store: Store, path: str) -> None:
    with pytest.raises(StoreError):
        store.write(path, b"x")
    with pytest.raises(StoreError):
        store.read(path)


def test_a_listing_and_a_look_tell_the_same(store: Store) -> None:
    store.write("inbox/mosaic/a.mp4", b"one")
    assert list(store.list("inbox")) == [store.head("inbox/mosaic/a.mp4")]
    assert store.head("inbox/mosaic") is None
    assert store.head("inbox/b.mp4") is None


def test_what_is_not_there_cannot_be_read_but_deleted(store: Store) -> None:
    for path in ("inbox/a.mp4", "work/a/b"):
        with pytest.raises(StoreError, match="is not in"):
            store.read(path)
        with pytest.raises(StoreError, match="is not in"), store.open_local(path):
            pass
        store.delete(path)


def test_a_published_file_replaces_what_was_there(store: Store, tmp_path: Path) -> None:
    made = tmp_path / "made"
    for content in (b"x" * 20_000_000, b"", b"short"):
        made.write_bytes(content)
        store.publish(made, "painted/mosaic/a.mp4", {"style": "mosaic"})
        assert store.read("painted/mosaic/a.mp4") == content
        with store.open_local("painted/mosaic/a.mp4") as file:
            assert file.read_bytes() == content
            assert file.name == "a.mp4"
    store.delete("painted/mosaic/a.mp4")
    assert list(store.list("painted")) == []


def test_scratch_is_empty_and_gone_afterwards(store: Store) -> None:
    with store.scratch() as folder:
        assert list(folder.iterdir()) == []
        (folder / "half").write_bytes(b"half")
    assert not folder.exists()


NAMES = ["a b.mp4", 'it\'s "q".mp4', "日本 ü.mp4", "a|b.mp4", "-rf.mp4", "%41#?*.mp4", "$(x)`y`"]
NAMES += ["a+b&c=d;e.mp4", "x" * 250]


@pytest.mark.parametrize("name", NAMES)
def test_names_are_kept_as_they_are(store: Store, name: str) -> None:
    store.write(f"painted/{name}", b"x")
    assert [o.path for o in store.list("painted")] == [f"painted/{name}"]
    assert store.read(f"painted/{name}") == b"x"
    with store.open_local(f"painted/{name}") as file:
        assert file.read_bytes() == b"x"
    store.delete(f"painted/{name}")
    assert list(store.list("painted")) == []


class TestParts:
    def test_a_part_is_found_once_it_is_committed(self, store: Store, tmp_path: Path) -> None:
        made = tmp_path / "made"
        made.write_bytes(b"frames")
        assert find_part(store, "work/a.mp4") is None
        part = commit_part(store, "work/a.mp4", made, 7, {"fps": 1.5})
        assert find_part(store, "work/a.mp4") == part
        assert (part.frames, part.size) == (7, 6)

    def test_an_empty_part_needs_no_file(self, store: Store) -> None:
        part = commit_part(store, "work/a.mp4", None, 0, {})
        assert find_part(store, "work/a.mp4") == part

    def test_a_file_without_its_marker_is_void(self, store: Store) -> None:
        store.write("work/a.mp4", b"frames")
        assert find_part(store, "work/a.mp4") is None

    @pytest.mark.parametrize("content", [b"framez", b"frame", b""])
    def test_a_damaged_file_is_void(self, store: Store, tmp_path: Path, content: bytes) -> None:
        made = tmp_path / "made"
        made.write_bytes(b"frames")
        commit_part(store, "work/a.mp4", made, 7, {})
        store.write("work/a.mp4", content)
        assert find_part(store, "work/a.mp4") is None

    def test_a_marker_without_its_file_is_void(self, store: Store, tmp_path: Path) -> None:
        made = tmp_path / "made"
        made.write_bytes(b"frames")
        commit_part(store, "work/a.mp4", made, 7, {})
        store.delete("work/a.mp4")
        assert find_part(store, "work/a.mp4") is None

    def test_a_half_written_marker_is_void(self, store: Store) -> None:
        store.write("work/a.mp4", b"frames")
        store.write("work/a.mp4.json", b'{"frames": 7, "si')
        assert find_part(store, "work/a.mp4") is None
