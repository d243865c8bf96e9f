"""Shipped styles: a network's convolutions once, and a few kB a style."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from stylejobs.scoring import weights as weights_module
from stylejobs.scoring.weights import UnusableStyle, load_weights, shipped_styles
from stylejobs.training.conditional import ConditionalNet
from stylejobs.training.style_files import save_family, save_style

WIDTH = 4
Family = dict[str, dict[str, torch.Tensor]]


@pytest.fixture
def family() -> Family:
    net = ConditionalNet(["a", "b"], WIDTH)
    for parameter in net.norm_parameters():
        torch.nn.init.normal_(parameter)
    return {style: net.weights_of(style) for style in net.styles}


@pytest.fixture
def shipped(family: Family, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(weights_module, "SHIPPED", tmp_path)
    save_family(family, tmp_path / "lean", {style: {"title": style} for style in family})
    return tmp_path / "lean"


def test_a_shipped_style_is_whole_again_when_it_is_loaded(shipped: Path, family: Family) -> None:
    assert list(shipped_styles()) == ["a", "b"]
    for name, file in shipped_styles().items():
        style = load_weights(file)
        assert (style.width, style.about["title"]) == (WIDTH, name)
        for tensor, value in style.tensors.items():
            assert torch.equal(torch.from_numpy(value), family[name][tensor].half().float())


def test_a_style_more_leaves_the_versions_of_the_others(shipped: Path, family: Family) -> None:
    before = {name: load_weights(file).digest for name, file in shipped_styles().items()}
    assert before["a"] != before["b"]
    more = {**family, "c": {name: value * 2 for name, value in family["a"].items()}}
    more["c"] |= {name: v for name, v in family["a"].items() if ".conv2d." in name}
    save_family(more, shipped, {style: {} for style in more} | {s: {"title": s} for s in family})
    after = {name: load_weights(file).digest for name, file in shipped_styles().items()}
    assert {name: after[name] for name in before} == before
    assert len(set(after.values())) == 3


def test_other_convolutions_make_other_versions(shipped: Path, family: Family) -> None:
    before = load_weights(shipped_styles()["a"]).digest
    for style in family.values():
        style["conv1.conv2d.weight"] = family["a"]["conv1.conv2d.weight"] + 1
    save_family(family, shipped, {style: {"title": style} for style in family})
    assert load_weights(shipped_styles()["a"]).digest != before


def test_a_shipped_file_by_itself_is_no_style(shipped: Path, tmp_path: Path) -> None:
    alone = tmp_path / "elsewhere.safetensors"
    alone.write_bytes((shipped / "a.safetensors").read_bytes())
    with pytest.raises(UnusableStyle, match="does not hold the weights"):
        load_weights(alone)


def test_a_style_by_itself_is_whole(family: Family, tmp_path: Path) -> None:
    save_style(family["a"], tmp_path / "mine.safetensors", {"title": "Mine"})
    style = load_weights(tmp_path / "mine.safetensors")
    assert style.about == {"title": "Mine"}
    assert set(style.tensors) == set(family["a"])


@pytest.mark.parametrize("network", ["lean"])
def test_shipped_files_are_small_and_say_what_they_are(network: weights_module.Network) -> None:
    styles = shipped_styles(network)
    assert styles
    for file in next(iter(styles.values())).parent.iterdir():
        assert file.stat().st_size <= 4_000_000
    for file in styles.values():
        about = load_weights(file).about
        assert all(about[key] for key in ("title", "artist", "year", "training"))
