import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from stylejobs.storage.clips import Clip, clip_key, version_of

# As names come from a file system: anything but "/" and NUL, and nothing empty.
names = st.text(min_size=1, max_size=40).filter(lambda s: "/" not in s and "\0" not in s)


@pytest.mark.parametrize(
    ("style", "name", "key"),
    [
        ("mosaic", "beach.mp4", "mosaic--beach.mp4"),
        ("starry_night", "IMG_0042.MOV", "starry_night--IMG_0042.MOV"),
    ],
)
def test_a_plain_name_is_its_own_key(style: str, name: str, key: str) -> None:
    assert clip_key(style, name) == key


def test_any_other_name_is_spelled_plainly_with_a_hash() -> None:
    key = clip_key("mosaic", "day one/my film, ü|2.mp4")
    assert re.fullmatch(r"mosaic--day-one-my-film-2-mp4~[0-9a-f]{10}", key)


@given(names, names)
def test_every_key_is_one_that_dagster_takes(style: str, name: str) -> None:
    key = clip_key(style, name)
    assert re.fullmatch(r"[A-Za-z0-9_.~-]+", key)
    assert "..." not in key
    assert len(key) < 256


@given(names, names, names, names)
def test_two_uploads_never_share_a_key(s1: str, n1: str, s2: str, n2: str) -> None:
    assert (clip_key(s1, n1) == clip_key(s2, n2)) == ((s1, n1) == (s2, n2))


@pytest.mark.parametrize(
    ("one", "other"),
    [(("a--b", "c"), ("a", "b--c")), (("a", "b c"), ("a", "b-c")), (("a", "b/c"), ("a/b", "c"))],
)
def test_names_that_look_alike_have_different_keys(
    one: tuple[str, str], other: tuple[str, str]
) -> None:
    assert clip_key(*one) != clip_key(*other)


def test_an_upload_knows_its_style_name_and_places() -> None:
    clip = Clip.of_upload("inbox/mosaic/day one/a b.mov")
    assert (clip.style, clip.name) == ("mosaic", "day one/a b.mov")
    assert clip.upload_path == "inbox/mosaic/day one/a b.mov"
    assert clip.rejection_path == "rejected/mosaic/day one/a b.mov.txt"
    assert clip.painted_path(".mp4") == "painted/mosaic/day one/a b.mov.mp4"
    assert clip.painted_path(".mov") == "painted/mosaic/day one/a b.mov"


def test_a_file_in_no_folder_has_no_style() -> None:
    clip = Clip.of_upload("inbox/a.mp4")
    assert clip.style == ""
    assert clip.rejection_path == "rejected/a.mp4.txt"


@pytest.mark.parametrize("name", [".DS_Store", ".a.mp4.Xy12", "a.mp4.part", "A.MP4.PARTIAL"])
def test_unfinished_files_are_known_by_their_names(name: str) -> None:
    assert Clip(style="mosaic", name=name).is_temporary


def test_a_version_changes_with_each_fact() -> None:
    assert version_of("etag", 8) == version_of("etag", 8)
    assert len({version_of("etag", 8), version_of("etag", 9), version_of("gate", 8)}) == 3


def test_clips_can_be_keys_whatever_was_asked_for_them() -> None:
    plain = Clip(style="tiny", name="a.mp4")
    asked = Clip(style="tiny", name="a.mp4", controls={"steady": "0.5"})
    assert len({plain, asked, Clip(style="tiny", name="a.mp4")}) == 2
