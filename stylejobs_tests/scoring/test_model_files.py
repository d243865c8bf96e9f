"""Model files, exported by torch or in ONNX: one contract for what goes in and comes out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from torch import Tensor, nn
from torch.export import Dim

from stylejobs.scoring.errors import UnusableModel
from stylejobs.scoring.exported import ExportedScorer
from stylejobs.scoring.models import Model
from stylejobs.scoring.onnx_model import OnnxScorer
from stylejobs.scoring.scorer import Scorer, Scores
from stylejobs.scoring.tensors import Pixels

# TorchScript is deprecated, and people have files of it.
pytestmark = pytest.mark.filterwarnings("ignore:.torch.jit:DeprecationWarning")

HEIGHT, WIDTH = 12, 20
FRAME = np.random.default_rng(0).integers(0, 256, (1, HEIGHT, WIDTH, 3), dtype=np.uint8)
KINDS = ["onnx", "pt2", "ts"]
NET_OPTIONS = {"scale": 1, "mean": (0.5, 0.0, 0.25), "std": (0.5, 1.0, 2.0)}


class Keeps(nn.Module):
    """Gives what it gets."""

    def forward(self, x: Tensor) -> Tensor:
        return x * 1


class Tells(nn.Module):
    """A mean, its square by channel, and the picture."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        mean = x.mean((2, 3))
        return {"mean": mean, "square": mean * mean, "picture": x * 1}


class Doubles(nn.Module):
    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        return x.mean((1, 2, 3)), x.mean()


def exported(
    path: Path, module: nn.Module, example: Tensor, dynamic: Mapping[int, Any] | None = None
) -> Path:
    if path.suffix == ".ts":
        torch.jit.trace(module, example, strict=False).save(path)
    else:
        shapes = (dict(dynamic),) if dynamic else None
        torch.export.save(torch.export.export(module, (example,), dynamic_shapes=shapes), path)
    return path


def onnx_file(
    path: Path,
    shape: Sequence[int | str],
    nodes: Sequence[tuple[str, list[str], list[str]]],
    outputs: Mapping[str, Sequence[int | str]],
    kind: int = TensorProto.FLOAT,
) -> Path:
    """A model with the input ``x``; ``one`` is 1, ``axes`` are 2 and 3."""
    number = helper.tensor_dtype_to_np_dtype(kind)
    graph = helper.make_graph(
        [helper.make_node(*node) for node in nodes],
        "test",
        [helper.make_tensor_value_info("x", kind, list(shape))],
        [helper.make_tensor_value_info(name, kind, list(s)) for name, s in outputs.items()],
        [
            numpy_helper.from_array(np.array(1, number), "one"),
            numpy_helper.from_array(np.array([2, 3]), "axes"),
        ],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model)
    onnx.save(model, path)
    return path


def keeps(folder: Path, kind: str) -> Path:
    path = folder / f"keeps.{kind}"
    if kind == "onnx":
        shape = ["n", 3, "h", "w"]
        return onnx_file(path, shape, [("Mul", ["x", "one"], ["y"])], {"y": shape})
    dynamic = {0: Dim.DYNAMIC, 2: Dim.DYNAMIC, 3: Dim.DYNAMIC}
    return exported(path, Keeps(), torch.zeros(2, 3, 8, 16), dynamic)


def scorer_of(file: Path, height: int = HEIGHT, width: int = WIDTH, **options: Any) -> Scorer:
    return Model(model=str(file), **options).scorer(height, width, "cpu")


def picture_of(scores: Scores) -> np.ndarray:
    assert scores.pictures is not None
    assert scores.pictures.dtype == np.uint8
    return scores.pictures.astype(int)


def record_of(scores: Scores) -> Mapping[str, Any]:
    assert scores.records is not None
    (record,) = scores.records
    return record


def refusal(file: Path, **options: Any) -> str:
    with pytest.raises(UnusableModel) as caught:
        scorer_of(file, **options)(FRAME)
    assert file.name in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize("options", [{}, {"scale": 1}])
@pytest.mark.parametrize("kind", KINDS)
def test_a_model_that_changes_nothing_gives_the_frame(
    kind: str, options: dict[str, Any], tmp_path: Path
) -> None:
    scorer = scorer_of(keeps(tmp_path, kind), **options)
    scores = scorer(FRAME)
    assert scores.records is None
    assert np.array_equal(picture_of(scores), FRAME)
    assert "CPU" in scorer.device


@pytest.mark.parametrize("kind", KINDS)
def test_a_net_gets_the_numbers_that_its_options_say(kind: str, tmp_path: Path) -> None:
    options = NET_OPTIONS | ({"precision": "f32"} if kind == "onnx" else {})
    mean, std = np.array(NET_OPTIONS["mean"]), np.array(NET_OPTIONS["std"])
    expected = ((FRAME / 255 - mean) / std * 255).round().clip(0, 255)
    found = picture_of(scorer_of(keeps(tmp_path, kind), **options)(FRAME))
    assert np.abs(found - expected).max() <= 1


@pytest.mark.parametrize("kind", ["pt2", "ts"])
def test_torch_outputs_are_told_apart_by_shape_and_named(kind: str, tmp_path: Path) -> None:
    file = exported(tmp_path / f"tells.{kind}", Tells(), torch.zeros(1, 3, HEIGHT, WIDTH))
    scores = scorer_of(file)(FRAME)
    assert np.array_equal(picture_of(scores), FRAME)
    means = FRAME.mean((1, 2))[0]
    assert record_of(scores)["mean"] == pytest.approx(means, rel=1e-5)
    assert record_of(scores)["square"] == pytest.approx(means**2, rel=1e-5)


def test_a_tuple_of_outputs_is_numbered(tmp_path: Path) -> None:
    file = exported(tmp_path / "pair.pt2", Doubles(), torch.zeros(1, 3, HEIGHT, WIDTH))
    record = record_of(scorer_of(file)(FRAME))
    assert list(record) == ["output_0", "output_1"]
    assert list(record.values()) == pytest.approx([FRAME.mean()] * 2, rel=1e-5)


def test_onnx_outputs_are_told_apart_by_shape_and_named(tmp_path: Path) -> None:
    shape = ["n", 3, "h", "w"]
    nodes = [("Mul", ["x", "one"], ["picture"]), ("ReduceMean", ["x", "axes"], ["mean"])]
    outputs = {"picture": shape, "mean": ["n", 3, 1, 1]}
    scorer = scorer_of(onnx_file(tmp_path / "tells.onnx", shape, nodes, outputs))
    assert "f32" in scorer.device  # in bf16 data would be less exact
    scores = scorer(FRAME)
    assert np.array_equal(picture_of(scores), FRAME)
    mean = record_of(scores)["mean"]
    assert mean.shape == (3, 1, 1)
    assert mean.ravel() == pytest.approx(FRAME.mean((1, 2))[0], rel=1e-5)


def test_results_are_not_written_over_by_the_next_frame(tmp_path: Path) -> None:
    for kind in KINDS:
        scorer = scorer_of(keeps(tmp_path, kind))
        first = scorer(FRAME)
        scorer(255 - FRAME)
        assert np.array_equal(picture_of(first), FRAME)


@pytest.mark.parametrize("kind", [TensorProto.UINT8, TensorProto.FLOAT, TensorProto.FLOAT16])
@pytest.mark.parametrize("shape", [[1, HEIGHT, WIDTH, 3], ["n", "h", "w", 3]])
def test_onnx_may_take_pixels_as_they_lie_in_memory(
    shape: list[Any], kind: int, tmp_path: Path
) -> None:
    nodes = [("Mul", ["x", "one"], ["y"])]
    file = onnx_file(tmp_path / "keeps.onnx", shape, nodes, {"y": shape}, kind)
    assert np.array_equal(picture_of(scorer_of(file)(FRAME)), FRAME)


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16, torch.bfloat16])
@pytest.mark.parametrize("shape", [(1, HEIGHT, WIDTH, 3), (1, 3, HEIGHT, WIDTH)])
def test_programs_may_take_any_layout_and_type(
    shape: tuple[int, ...], dtype: torch.dtype, tmp_path: Path
) -> None:
    file = exported(tmp_path / "keeps.pt2", Keeps(), torch.zeros(shape, dtype=dtype))
    error = np.abs(picture_of(scorer_of(file)(FRAME)) - FRAME).max()
    assert error <= (1 if dtype == torch.bfloat16 else 0)


@pytest.mark.parametrize("kind", ["onnx", "pt2"])
@pytest.mark.parametrize(
    ("shape", "words"),
    [
        ([1, 3, 30, 40], "takes pictures of 40×30, and the frames have 20×12"),
        ([4, 3, HEIGHT, WIDTH], "takes 4 frames at a time"),
        ([1, 4, HEIGHT, WIDTH], "takes (1, 4, 12, 20). Export it with an input of (N, 3, H, W)"),
        ([1, 9], "takes (1, 9). Export it"),
    ],
)
def test_an_input_that_is_no_frame_is_explained(
    shape: list[int], words: str, kind: str, tmp_path: Path
) -> None:
    path = tmp_path / f"other.{kind}"
    if kind == "onnx":
        onnx_file(path, shape, [("Mul", ["x", "one"], ["y"])], {"y": shape})
    else:
        exported(path, Keeps(), torch.zeros(shape))
    assert words in refusal(path)


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("content", [b"", b"this is no model\n" * 50])
def test_a_file_that_is_no_model_is_explained(content: bytes, kind: str, tmp_path: Path) -> None:
    file = tmp_path / f"noise.{kind}"
    file.write_bytes(content)
    assert len(refusal(file)) < 500


def test_a_zip_that_is_no_program_is_explained(tmp_path: Path) -> None:
    file = tmp_path / "weights.pt2"
    torch.save({"a": torch.zeros(1)}, file)
    refusal(file)


@pytest.mark.parametrize("kind", KINDS)
def test_a_file_that_is_not_there_is_explained(kind: str, tmp_path: Path) -> None:
    assert "is not there" in refusal(tmp_path / f"none.{kind}")


class Fails(nn.Module):
    def forward(self, x: Tensor) -> Tensor:
        return x.reshape(x.shape[0], -1, 7)


def test_a_program_that_fails_on_a_frame_is_explained(tmp_path: Path) -> None:
    file = exported(tmp_path / "fails.ts", Fails(), torch.zeros(1, 3, 7, 7))
    assert "fails.ts failed on frames of 20×12. RuntimeError: shape" in refusal(file)


class Spreads(nn.Module):
    """Its outputs have no batch dimension, as boxes after suppression often have none."""

    def forward(self, x: Tensor) -> dict[str, Tensor]:
        return {"boxes": x[0, :, :2, 0]}


def test_an_output_without_a_batch_dimension_is_explained(tmp_path: Path) -> None:
    file = exported(tmp_path / "boxes.pt2", Spreads(), torch.zeros(1, 3, HEIGHT, WIDTH))
    assert "gives 'boxes' of (3, 2) for one frame" in refusal(file)


def test_a_graph_that_cannot_take_the_frames_is_explained(tmp_path: Path) -> None:
    """Its input claims any size, and a constant in it needs one."""
    file = tmp_path / "fixed.onnx"
    onnx_file(file, ["n", 3, "h", "w"], [("MatMul", ["x", "axes"], ["y"])], {"y": ["n", 3, "h"]})
    refusal(file)


def test_onnx_on_cuda_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="runs on the CPU"):
        Model(model=str(keeps(tmp_path, "onnx"))).scorer(HEIGHT, WIDTH, "cuda")


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine has a GPU")
def test_a_program_on_cuda_without_a_gpu_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnusableModel, match="No CUDA device"):
        Model(model=str(keeps(tmp_path, "pt2"))).scorer(HEIGHT, WIDTH, "cuda")


@pytest.mark.skipif(not torch.cuda.is_available(), reason="this machine has no GPU")
@pytest.mark.parametrize("kind", ["pt2", "ts"])
def test_a_program_runs_on_cuda(kind: str, tmp_path: Path) -> None:
    scorer = ExportedScorer(keeps(tmp_path, kind), HEIGHT, WIDTH, "auto")
    assert "CPU" not in scorer.device
    assert np.array_equal(picture_of(scorer(FRAME)), FRAME)


def test_onnx_runs_in_the_precision_that_is_asked_for(tmp_path: Path) -> None:
    file = keeps(tmp_path, "onnx")
    assert "bf16" in OnnxScorer(file, HEIGHT, WIDTH, Pixels(), "bf16").device
    assert "f32" in OnnxScorer(file, HEIGHT, WIDTH, Pixels(), "f32").device
