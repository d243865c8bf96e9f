"""The command line, as people use it."""

from __future__ import annotations

import json
import os
import resource
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import ffmpeg
import numpy as np
import pytest
import torch
from PIL import Image

from examples import light
from stylejobs.cli import main
from stylejobs.media.colour import to_rgb
from stylejobs.media.decode import read_frames
from stylejobs.media.probe import Limits, probe
from stylejobs.scoring.network import TransformerNet
from stylejobs.scoring.records import read_records
from stylejobs.scoring.weights import shipped_styles
from stylejobs_tests.conftest import pattern, run_ffmpeg

Clip = Callable[[str], Path]
Run = Callable[..., tuple[int, str, str]]
ROOT = Path(__file__).parents[1]


@pytest.fixture
def run(capsys: pytest.CaptureFixture[str]) -> Run:
    """Runs a command; gives its exit status, output and error output."""

    def command(*arguments: object) -> tuple[int, str, str]:
        status = main([str(argument) for argument in arguments])
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return command


def process(*arguments: object, **options: Any) -> subprocess.Popen[str]:
    call = "import sys; from stylejobs.cli import main; sys.exit(main())"
    return subprocess.Popen(
        [sys.executable, "-c", call, *map(str, arguments)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        **options,
    )


@pytest.fixture
def video(clip: Clip, tmp_path: Path) -> Path:
    return Path(shutil.copy(clip("late_audio.mp4"), tmp_path / "video.mp4"))


def the_error(outcome: tuple[int, str, str], *words: str) -> str:
    """The one line of an outcome that must be a failure explained."""
    status, _, error = outcome
    assert status == 1
    assert "Traceback" not in error
    lines = [line for line in error.splitlines() if line and "frames/s" not in line]
    assert len(lines) == 1, error
    assert lines[0].startswith("stylejobs: error: ")
    for word in words:
        assert word in lines[0]
    return lines[0]


def left_in(folder: Path) -> list[str]:
    return sorted(file.name for file in folder.iterdir())


def test_a_video_is_painted_beside_itself(run: Run, video: Path, style_file: Path) -> None:
    status, out, error = run("style", video, "--style", style_file, "--device", "cpu")
    painted = video.with_name("video-random.mp4")
    assert status == 0
    assert out.splitlines()[0] == str(painted)
    assert out.splitlines()[1].startswith("identical: 48 frames, 2.000 s, 160×96")
    assert "48/48" in error
    assert "frames/s" in error
    assert left_in(video.parent) == ["video-random.mp4", "video.mp4"]
    assert painted.read_bytes() != video.read_bytes()


@pytest.mark.parametrize("shards", [1, 7])
def test_any_number_of_shards_paints_every_frame(
    shards: int, run: Run, clip: Clip, style_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    source = clip("open_gop.ts")
    arguments = ["--style", style_file, "--out", out, "--shards", shards]
    assert run("style", source, *arguments)[0] == 0
    status, report, _ = run("verify", source, out)
    assert (status, report.split(",")[0]) == (0, "identical: 48 frames")


def test_controls_apply_to_every_frame(
    run: Run, clip: Clip, style_file: Path, tmp_path: Path
) -> None:
    source = clip("b_frames.mp4")

    def painted(name: str, *controls: object) -> list[np.ndarray]:
        out = tmp_path / name
        status, _, _ = run("style", source, "--style", style_file, "--out", out, *controls)
        assert status == 0
        return list(pictures(out))

    everything = ["--strength", 0.2, "--colours", "source", "--lines", 64, "--steady", 0.5]
    shown = zip(
        pictures(source),
        painted("full.mp4"),
        painted("controlled.mp4", *everything, "--shards", 3),
        strict=True,
    )
    for frame, full, controlled in shown:
        assert apart(frame, controlled) < 0.4 * apart(frame, full)


def test_a_control_that_cannot_be_is_explained(run: Run, video: Path, style_file: Path) -> None:
    outcome = run("style", video, "--style", style_file, "--strength", "much")
    the_error(outcome, "strength='much'", "valid number")


def test_a_blend_of_one_is_that_style_and_an_unknown_part_is_named(
    run: Run, clip: Clip, style_file: Path, tmp_path: Path
) -> None:
    source = clip("single_frame.mp4")
    (shipped, *_) = shipped_styles()
    made = []
    for n, style in enumerate((shipped, f"{shipped}:1")):
        out = tmp_path / f"{n}.mp4"
        assert run("style", source, "--style", style, "--out", out)[0] == 0
        made += pictures(out)
    assert apart(*made) == 0
    the_error(run("style", source, "--style", f"{shipped}:1,none:1"), "none: no such style")


def pictures(video: Path) -> Iterator[np.ndarray]:
    manifest = probe(video, Limits())
    for frame in read_frames(video, manifest, manifest.pts):
        yield to_rgb(frame, manifest.video.colour)


def apart(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.abs(one.astype(int) - other).mean())


def test_torch_is_the_other_backend(run: Run, clip: Clip, style_file: Path, tmp_path: Path) -> None:
    out = tmp_path / "out.mp4"
    arguments = ["--style", style_file, "--out", out, "--backend", "torch"]
    status, _, error = run("style", clip("single_frame.mp4"), *arguments)
    assert status == 0
    assert "torch" in error


def test_out_may_be_a_folder(run: Run, video: Path, style_file: Path, tmp_path: Path) -> None:
    (tmp_path / "results").mkdir()
    status, *_ = run("style", video, "--style", style_file, "--out", tmp_path / "results")
    assert status == 0
    assert left_in(tmp_path / "results") == ["video-random.mp4"]


def test_sound_that_mp4_cannot_hold_gets_another_container(
    run: Run, clip: Clip, style_file: Path, tmp_path: Path
) -> None:
    source = tmp_path / "ulaw.mov"
    run_ffmpeg(ffmpeg.input(str(clip("cfr.mp4"))), out=source, vcodec="copy", acodec="pcm_mulaw")
    assert run("style", source, "--style", style_file)[0] == 0
    assert left_in(tmp_path) == ["ulaw-random.mov", "ulaw.mov"]
    outcome = run("style", source, "--style", style_file, "--out", tmp_path / "x.mp4")
    the_error(outcome, "x.mp4", "end in .mov")


@pytest.mark.parametrize("name", ["-i.mp4", "a b'c\"d|é.mp4", "12:30.mp4"])
def test_awkward_names_are_only_names(
    name: str, clip: Clip, style_file: Path, tmp_path: Path
) -> None:
    shutil.copy(clip("single_frame.mp4"), tmp_path / name)
    child = process("style", "--style", style_file, "--", name, cwd=tmp_path)
    _out, error = child.communicate(timeout=60)
    assert child.returncode == 0, error
    assert f"{Path(name).stem}-random.mp4" in left_in(tmp_path)


def test_the_encoder_and_the_container_are_chosen_as_in_the_jobs(
    run: Run, clip: Clip, style_file: Path, tmp_path: Path
) -> None:
    source = clip("single_frame.mp4")
    chosen = ["--codec", "hevc", "--crf", 30, "--preset", "ultrafast", "--container", "mkv"]
    chosen += ["--pixel-format", "yuv420p10le"]
    assert run("style", source, "--style", style_file, "--out", tmp_path, *chosen)[0] == 0
    painted = tmp_path / "single_frame-random.mkv"
    video = probe(painted, Limits()).video
    assert (video.codec, video.pixel_format) == ("hevc", "yuv420p10le")


@pytest.mark.parametrize(
    ("choice", "words"),
    [
        (["--codec", "av1", "--pixel-format", "yuv444p"], "4:2:0 only"),
        (["--crf", 99], "from 0 to 51"),
        (["--preset", "warp"], "the presets of h264 are: ultrafast"),
    ],
)
def test_an_impossible_encoder_is_explained(
    choice: list[object], words: str, run: Run, video: Path, style_file: Path
) -> None:
    the_error(run("style", video, "--style", style_file, *choice), words)


def test_hdr_can_be_refused(run: Run, clip: Clip, style_file: Path, tmp_path: Path) -> None:
    arguments = ["--style", style_file, "--out", tmp_path, "--hdr", "refuse"]
    the_error(run("style", clip("pq.mp4"), *arguments), "HDR (PQ)", "SDR")


def test_damage_is_refused_or_repaired(
    run: Run, damaged: Path, style_file: Path, tmp_path: Path
) -> None:
    out = tmp_path / "out.mp4"
    arguments = ["style", damaged, "--style", style_file, "--out", out]
    the_error(run(*arguments), "cannot be decoded")
    assert not out.exists()
    assert run(*arguments, "--repair-damage")[0] == 0
    assert probe(out, Limits()).frame_count == 48


def test_a_sheet_shows_the_video_and_every_shipped_style(
    run: Run, clip: Clip, tmp_path: Path
) -> None:
    sheet = tmp_path / "sheet.png"
    status, out, _ = run("styles", "--sheet", sheet, "--clip", clip("cfr.mp4"))
    assert status == 0
    assert out.splitlines()[-1] == str(sheet)
    with Image.open(sheet) as picture:
        wide, high = picture.size
    rows = -(-(1 + len(shipped_styles())) // 3)
    assert (wide, high) == (3 * 324, rows * (192 + 18))
    the_error(run("styles", "--sheet", tmp_path / "no" / "x.png"), "no such folder")


def test_a_published_checkpoint_is_a_style(run: Run, clip: Clip, tmp_path: Path) -> None:
    torch.manual_seed(0)
    checkpoint = tmp_path / "mine.pth"
    torch.save(TransformerNet(4).state_dict(), checkpoint)
    out = tmp_path / "out.mp4"
    assert run("style", clip("single_frame.mp4"), "--style", checkpoint, "--out", out)[0] == 0
    assert probe(out, Limits()).frame_count == 1


def test_the_input_is_never_overwritten(
    run: Run, video: Path, style_file: Path, tmp_path: Path
) -> None:
    content = video.read_bytes()
    alias = tmp_path / "alias.mp4"
    alias.symlink_to(video)
    for out in (video, alias, tmp_path / "." / "video.mp4"):
        the_error(run("style", video, "--style", style_file, "--out", out), "this is the input")
    assert video.read_bytes() == content


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", ["empty", "Upload it again"]),
        (b"some text, no video", ["broken or no video", "convert it to MP4"]),
        (None, ["No such file"]),
    ],
)
def test_an_unusable_video_is_explained_in_one_line(
    content: bytes | None, words: Sequence[str], run: Run, style_file: Path, tmp_path: Path
) -> None:
    file = tmp_path / "x.mp4"
    if content is not None:
        file.write_bytes(content)
    the_error(run("style", file, "--style", style_file), str(file), *words)
    the_error(run("verify", file, file), str(file), *words)
    assert left_in(tmp_path) == (["x.mp4"] if content is not None else [])


def test_an_unusable_style_is_explained_in_one_line(run: Run, video: Path, tmp_path: Path) -> None:
    file = tmp_path / "noise.pth"
    file.write_bytes(b"noise")
    the_error(run("style", video, "--style", file), "noise.pth", "stylejobs styles")
    the_error(run("style", video, "--style", "nobody"), "nobody: no such style", "Shipped styles")
    assert left_in(tmp_path) == ["noise.pth", "video.mp4"]


def test_a_choice_that_cannot_run_here_is_explained(
    run: Run, video: Path, style_file: Path
) -> None:
    arguments = ["--style", style_file, "--device", "cuda", "--backend", "openvino"]
    the_error(run("style", video, *arguments), "runs on the CPU")


def test_a_missing_folder_is_explained(run: Run, video: Path, style_file: Path) -> None:
    out = video.parent / "nowhere" / "out.mp4"
    the_error(run("style", video, "--style", style_file, "--out", out), "no such folder")


def test_a_full_disk_leaves_nothing_behind(clip: Clip, style_file: Path, tmp_path: Path) -> None:
    """A limit on the size of files stands for the disk: writing fails in the same way."""

    def limit() -> None:
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))

    out = tmp_path / "out.mp4"
    out.write_bytes(b"an earlier result")
    child = process(
        *("style", clip("b_frames.mp4"), "--style", style_file, "--out", out),
        preexec_fn=limit,
    )
    _, error = child.communicate(timeout=60)
    the_error((child.returncode, "", error), str(out), "File too large", "Free some space")
    assert left_in(tmp_path) == ["out.mp4"]
    assert out.read_bytes() == b"an earlier result"


def test_ctrl_c_stops_and_leaves_nothing_behind(style_file: Path, tmp_path: Path) -> None:
    source = tmp_path / "long.mp4"
    run_ffmpeg(pattern(seconds=60), out=source, vcodec="libx264", preset="ultrafast")
    # What a shell starts in the background ignores Ctrl-C, and so do its children.
    listen = partial(signal.signal, signal.SIGINT, signal.SIG_DFL)
    child = process("style", source, "--style", style_file, preexec_fn=listen)
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not list(tmp_path.glob(".stylejobs-*/0.mp4")):
        time.sleep(0.02)
    child.send_signal(signal.SIGINT)
    _, error = child.communicate(timeout=60)
    assert child.returncode == 130
    assert error.splitlines()[-1] == "stylejobs: stopped"
    assert "Traceback" not in error
    assert left_in(tmp_path) == ["long.mp4"]


def test_verify_names_each_difference(run: Run, clip: Clip, tmp_path: Path) -> None:
    status, out, _ = run("verify", clip("cfr.mp4"), clip("ntsc.mp4"))
    assert status == 1
    assert out.splitlines()[0] == "frame count: 60, the source has 48"
    assert "identical" not in out
    (tmp_path / "broken.mp4").write_bytes(b"x")
    status, out, _ = run("verify", clip("cfr.mp4"), tmp_path / "broken.mp4")
    assert status == 1
    assert out.startswith("unreadable: ")


def test_styles_lists_what_is_shipped(run: Run) -> None:
    status, out, _ = run("styles")
    assert status == 0
    assert [line.split(":")[0] for line in out.splitlines()] == list(shipped_styles())
    assert all("width" in line for line in out.splitlines())


def test_help_is_quick_and_loads_nothing_heavy() -> None:
    code = (
        "import sys; from stylejobs.cli import main\n"
        "try: main(['--help'])\n"
        "except SystemExit: pass\n"
        "print(sorted({'av', 'numpy', 'torch', 'openvino', 'dagster'} & set(sys.modules)))"
    )
    child = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert "verify" in child.stdout
    assert child.stdout.splitlines()[-1] == "[]"


@pytest.mark.parametrize("shards", ["0", "-1", "x"])
def test_a_senseless_number_of_shards_is_a_usage_error(shards: str) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["style", "x.mp4", "--shards", shards])
    assert caught.value.code == 2


def test_a_model_that_makes_pictures_paints_a_video(run: Run, video: Path) -> None:
    status, out, error = run("style", video, "--style", "examples.edges:create", "--shards", 3)
    painted = video.with_name("video-edges.mp4")
    assert (status, out.splitlines()[0]) == (0, str(painted))
    assert out.splitlines()[1].startswith("identical: 48 frames")
    assert "numpy" in error
    assert left_in(video.parent) == ["video-edges.mp4", "video.mp4"]


def test_a_model_that_makes_data_writes_a_table(run: Run, video: Path) -> None:
    model = video.with_name("light.onnx")
    light.build(model)
    status, out, _ = run("style", video, "--style", model, "--shards", 3)
    table = video.with_name("video-light.jsonl")
    assert (status, out.splitlines()) == (0, [str(table), "48 lines, one a frame"])
    lines = list(read_records(table))
    assert [line["frame"] for line in lines] == list(range(48))
    assert all(0 < line["brightness"] < 1 for line in lines)
    assert left_in(video.parent) == ["light.onnx", "video-light.jsonl", "video.mp4"]


def test_a_model_may_have_options_and_make_pictures_and_data(
    run: Run, video: Path, tmp_path: Path
) -> None:
    class Both(torch.nn.Module):
        def forward(self, x: torch.Tensor) -> dict[str, torch.Tensor]:
            return {"painted": 1 - x, "white": x.amax((1, 2, 3))}

    program = torch.export.export(Both(), (torch.zeros(1, 3, 96, 160),))
    torch.export.save(program, tmp_path / "both.pt2")
    model = json.dumps({"model": str(tmp_path / "both.pt2"), "scale": 1})
    status, out, _ = run("style", video, "--style", model, "--out", tmp_path / "out.mp4")
    assert status == 0
    assert out.splitlines()[:2] == [str(tmp_path / "out.mp4"), str(tmp_path / "out.jsonl")]
    assert probe(tmp_path / "out.mp4", Limits()).frame_count == 48
    assert all(line["white"] == 1 for line in read_records(tmp_path / "out.jsonl"))


def test_a_model_that_cannot_be_used_is_explained_in_one_line(
    run: Run, video: Path, tmp_path: Path
) -> None:
    noise = tmp_path / "noise.pt2"
    noise.write_bytes(b"noise")
    the_error(run("style", video, "--style", noise), str(noise), "torch.export")
    the_error(run("style", video, "--style", "nowhere:create"), "no module 'nowhere'")
    the_error(run("style", video, "--style", "none.onnx"), "none.onnx is not there")
    the_error(run("style", video, "--style", '{"model": 1'), "--style")
    the_error(run("style", video, "--style", '{"model": "x"}'), "'x' is no model")
    light.build(tmp_path / "light.onnx")
    arguments = ("--style", tmp_path / "light.onnx", "--out", tmp_path / "out.mp4")
    the_error(run("style", video, *arguments), "end in .jsonl")
    assert left_in(tmp_path) == ["light.onnx", "noise.pt2", "video.mp4"]
