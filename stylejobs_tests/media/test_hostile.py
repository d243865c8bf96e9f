"""Files that are made to do harm, or cannot be decoded: refused, and nothing else is touched."""

from __future__ import annotations

import socket
import struct
import threading
import time
import zipfile
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from stylejobs.media.errors import UnusableMedia
from stylejobs.media.guard import probe_guarded
from stylejobs.media.probe import Limits, probe
from stylejobs_tests.conftest import ffmpeg_input, pattern, run_ffmpeg, tone

Clip = Callable[[str], Path]
KEY, KEY_ID = "76a6c65c5ea762046bd749a2e632ccbb", "a7e61c373e219033c21091fa607bf3b8"
H264 = {"vcodec": "libx264", "preset": "ultrafast", "pix_fmt": "yuv420p"}


def refusal(path: Path) -> str:
    with pytest.raises(UnusableMedia) as caught:
        probe(path, Limits())
    return caught.value.reason


@pytest.fixture
def visitors() -> Iterator[tuple[int, list[str]]]:
    """A port of this machine, and who has called there."""
    seen: list[str] = []
    with socket.create_server(("127.0.0.1", 0)) as server:

        def listen() -> None:
            while True:
                try:
                    caller, address = server.accept()
                except OSError:
                    return
                seen.append(str(address))
                caller.close()

        threading.Thread(target=listen, daemon=True).start()
        yield server.getsockname()[1], seen


# {file} is another video of this machine, {port} a server on it.
SCRIPTS = {
    "hls": "#EXTM3U\n#EXT-X-TARGETDURATION:2\n#EXTINF:2,\n{target}\n#EXT-X-ENDLIST\n",
    "concat": "ffconcat version 1.0\nfile '{target}'\n",
    "dash": '<?xml version="1.0"?><MPD xmlns="urn:mpeg:dash:schema:mpd:2011" type="static"'
    ' mediaPresentationDuration="PT2S"><Period><AdaptationSet mimeType="video/mp4">'
    '<Representation id="1" bandwidth="1"><BaseURL>{target}</BaseURL></Representation>'
    "</AdaptationSet></Period></MPD>",
    "sdp": "v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=video {port} TCP 96\n",
    "asx": '<asx version="3.0"><entry><ref href="{target}"/></entry></asx>',
    "sami": "<SAMI><BODY><SYNC Start=0><P>{target}</SAMI>",
}
TARGETS = [
    "{file}",
    "file:{file}",
    "http://127.0.0.1:{port}/a.ts",
    "tcp://127.0.0.1:{port}",
    "subfile,,start,0,end,0,,:{file}",
    "concat:{file}|{file}",
    "data:video/mp2t;base64,R0AREA==",
    "crypto:{file}",
]


@pytest.mark.parametrize("kind", SCRIPTS)
def test_lists_of_other_files_and_addresses_open_none_of_them(
    kind: str, clip: Clip, visitors: tuple[int, list[str]], tmp_path: Path
) -> None:
    port, seen = visitors
    for n, target in enumerate(TARGETS):
        named = target.format(file=clip("stream.ts"), port=port)
        for suffix in (".mp4", ".m3u8", ".ts"):
            file = tmp_path / f"{n}{suffix}"
            file.write_text(SCRIPTS[kind].format(target=named, port=port))
            assert refusal(file)
    assert seen == []


@pytest.mark.parametrize("kind", [b"alis", b"url "])
def test_a_mov_that_refers_to_another_file_does_not_open_it(
    kind: bytes, clip: Clip, visitors: tuple[int, list[str]], tmp_path: Path
) -> None:
    port, seen = visitors
    other = run_ffmpeg(pattern(), out=tmp_path / "other.mov", **H264)
    content = other.read_bytes()
    # The samples stay where they were in the other file; here is only its index.
    self_contained = struct.pack(">I4sI", 12, b"url ", 1)
    assert content.count(self_contained) == 1
    place = f"http://127.0.0.1:{port}/other.mov" if kind == b"url " else str(other)
    told = place.encode() + b"\0"
    reference = struct.pack(">I4sI", 12 + len(told), kind, 0) + told
    file = tmp_path / "reference.mov"
    file.write_bytes(grown(content, self_contained, reference))
    start = content.index(b"mdat") - 4
    length = int.from_bytes(content[start : start + 4], "big")
    file.write_bytes(grown(content[:start] + content[start + length :], self_contained, reference))
    other.unlink()
    assert refusal(file)
    assert seen == []


def grown(content: bytes, old: bytes, new: bytes) -> bytes:
    """``content`` with ``old`` replaced, and the boxes around it as much longer."""
    at = content.index(old)
    changed = bytearray(content)
    for name in (b"moov", b"trak", b"mdia", b"minf", b"dinf", b"dref"):
        box = changed.rindex(name, 0, at) - 4
        (length,) = struct.unpack_from(">I", changed, box)
        struct.pack_into(">I", changed, box, length + len(new) - len(old))
    changed[at : at + len(old)] = new
    return bytes(changed)


def test_encrypted_video_is_called_so(tmp_path: Path) -> None:
    locked = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": KEY, "encryption_kid": KEY_ID}
    file = run_ffmpeg(
        pattern(), tone(), out=tmp_path / "locked.mp4", acodec="aac", **H264, **locked
    )
    assert "encrypted" in refusal(file)


def test_a_zip_is_refused(clip: Clip, tmp_path: Path) -> None:
    for name in ("archive.zip", "archive.mp4"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:  # stored as it is: a video inside
            archive.write(clip("cfr.mp4"), "cfr.mp4")
        assert "no video" in refusal(tmp_path / name)


@pytest.mark.parametrize("name", ["moving.gif", "moving.apng", "moving.webp", "photo.jpg"])
def test_pictures_are_refused_also_where_they_move(name: str, tmp_path: Path) -> None:
    options = {"moving.apng": {"f": "apng"}, "photo.jpg": {"frames:v": 1}}.get(name, {})
    file = run_ffmpeg(pattern(seconds=0.3), out=tmp_path / name, **options)
    for path in (file, file.rename(tmp_path / "picture.mp4")):
        if path.exists():
            assert "no video" in refusal(path)


def test_a_codec_without_a_decoder_is_refused(clip: Clip, tmp_path: Path) -> None:
    file = tmp_path / "future.mp4"
    file.write_bytes(clip("cfr.mp4").read_bytes().replace(b"avc1", b"zzz9"))
    assert "codec is unknown" in refusal(file)


def test_a_small_file_that_declares_a_huge_picture_is_refused_before_it_is_decoded(
    tmp_path: Path,
) -> None:
    picture = ffmpeg_input("color=c=black:size=5000x4000:rate=1:duration=1")
    bomb = run_ffmpeg(picture, out=tmp_path / "bomb.mov", vcodec="png", pix_fmt="gray")
    assert bomb.stat().st_size < 500_000
    started = time.monotonic()
    with pytest.raises(UnusableMedia, match="5000×4000"):
        probe_guarded(bomb, Limits(), 30)
    assert time.monotonic() - started < 20


def test_a_stream_that_grows_huge_in_its_middle_is_refused(tmp_path: Path) -> None:
    small = run_ffmpeg(pattern(seconds=1), out=tmp_path / "1.ts", **H264)
    picture = ffmpeg_input("color=c=black:size=9600x7200:rate=1:duration=1")
    huge = run_ffmpeg(picture, out=tmp_path / "2.ts", output_ts_offset=2, **H264)
    bomb = tmp_path / "bomb.ts"
    bomb.write_bytes(small.read_bytes() + huge.read_bytes())
    try:
        manifest = probe_guarded(bomb, Limits(), 60)
    except UnusableMedia:
        return
    # The huge pictures are not decoded: they are missing, which reading will say.
    assert manifest.frame_count <= 26
    assert (manifest.video.width, manifest.video.height) == (160, 96)
