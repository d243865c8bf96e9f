"""Training: one network for many styles, that learns, that goes on, and that stops."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch

from stylejobs.scoring.network import TransformerNet, network_of
from stylejobs.training.conditional import ConditionalNet
from stylejobs.training.perceptual import VGG16Features
from stylejobs.training.photos import to_tensor
from stylejobs.training.settings import TrainingSettings
from stylejobs.training.steadiness import sharpness
from stylejobs.training.train import Progress, Training, _crispness
from stylejobs_tests.training.pictures import painting, photo

TINY = TrainingSettings(
    width=4,
    iterations=24,
    crop=32,
    painting_side=64,
    learning_rate=8e-2,
    norm_learning_rate=5e-2,
    convolution_learning_rate=2e-2,
    warm_up=0,
)


@pytest.fixture
def make(vgg: VGG16Features, photos: list[np.ndarray], tmp_path: Path):  # type: ignore[no-untyped-def]
    def training(settings: TrainingSettings = TINY, **options: object) -> Training:
        paintings = {"stripes": painting(), "blobs": photo(9)}
        checkpoint = tmp_path / "checkpoint"
        return Training(paintings, photos, vgg, checkpoint, settings, **options)  # type: ignore[arg-type]

    return training


def test_each_picture_of_a_batch_is_painted_in_its_own_style() -> None:
    net = ConditionalNet(["a", "b"], 4)
    for parameter in net.norm_parameters():
        torch.nn.init.normal_(parameter, 1.0)
    pictures = torch.rand(2, 3, 32, 48) * 255
    together = net(pictures, torch.tensor([1, 0]))
    for n, style in enumerate(["b", "a"]):
        plain = network_of(net.weights_of(style))
        torch.testing.assert_close(plain(pictures[n : n + 1])[0], together[n], rtol=1e-4, atol=1e-2)


def test_a_network_of_other_layers_is_no_start() -> None:
    net = ConditionalNet(["a"], 4, blocks=2)
    with pytest.raises(ValueError, match="other layers"):
        net.start_from({"a": TransformerNet(4, blocks=3).state_dict()})


def test_styles_share_all_but_their_normalisation() -> None:
    net = ConditionalNet(["a", "b"], 4)
    for parameter in net.norm_parameters():
        torch.nn.init.normal_(parameter)
    a, b = net.weights_of("a"), net.weights_of("b")
    different = {name for name in a if not torch.equal(a[name], b[name])}
    assert different == {name for name in a if ".conv2d." not in name}


def test_training_brings_pictures_nearer_to_the_painting(make) -> None:  # type: ignore[no-untyped-def]
    training = make()
    training.run()
    losses = training.progress.losses["style"]
    assert np.mean(losses[-5:]) < 0.5 * np.mean(losses[:5])


def test_a_training_and_the_scores_mean_the_same_by_crisp() -> None:
    picture = photo(0)
    crispness = float(_crispness(to_tensor(picture)[None]))
    assert crispness == pytest.approx(sharpness([picture]), rel=0.05)  # they differ at the borders


def test_soft_pictures_are_made_as_crisp_as_the_painting(make) -> None:  # type: ignore[no-untyped-def]
    only_crisp = replace(
        TINY,
        style_weight=0.0,
        content_weight=0.0,
        forms_weight=0.0,
        steadiness_weight=0.0,
        crispness_weight=1e5,
    )
    training = make(only_crisp)
    training.run()
    losses = training.progress.losses["crispness"]
    assert losses[0] > 0
    assert np.mean(losses[-5:]) < 0.1 * np.mean(losses[:5])


def test_contrast_and_edges_count_as_much_as_they_are_told_to(make) -> None:  # type: ignore[no-untyped-def]
    def first_loss(weight: float) -> float:
        training = make(replace(TINY, iterations=1, shallow_style_weight=weight))
        training.run()
        return float(training.progress.losses["shallow style"][0])

    assert first_loss(3.0) == pytest.approx(3 * first_loss(1.0))


def test_a_killed_training_goes_on_where_it_was(make, monkeypatch) -> None:  # type: ignore[no-untyped-def]
    monkeypatch.setattr("stylejobs.training.train.SAVE_EVERY", 4)

    def kill(progress: Progress) -> None:
        if progress.step == 6:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        make().run(kill)
    again = make()
    assert again.progress.step == 4
    assert len(again.progress.losses["style"]) == 4
    steps: list[int] = []
    again.run(lambda progress: steps.append(progress.step))
    assert steps == list(range(5, TINY.iterations + 1))


def test_a_training_with_other_settings_begins_anew(make) -> None:  # type: ignore[no-untyped-def]
    make(replace(TINY, iterations=2)).run()
    assert make(replace(TINY, iterations=2)).progress.step == 2
    assert make(replace(TINY, iterations=3)).progress.step == 0


def test_a_training_for_another_painting_begins_anew(
    vgg: VGG16Features, photos: list[np.ndarray], tmp_path: Path
) -> None:
    settings = replace(TINY, iterations=2)
    Training({"new": painting()}, photos, vgg, tmp_path / "checkpoint", settings).run()
    again = Training({"new": photo(9)}, photos, vgg, tmp_path / "checkpoint", settings)
    assert again.progress.step == 0


def test_fine_tuning_leaves_the_convolutions_as_they_are(make) -> None:  # type: ignore[no-untyped-def]
    start = {"stripes": TransformerNet(4, TINY.blocks).state_dict()}
    training = make(replace(TINY, iterations=2), start=start, only_norms=True)
    training.run()
    trained = training.weights()["stripes"]
    for name, before in start["stripes"].items():
        is_shared = ".conv2d." in name
        assert torch.allclose(trained[name], before, rtol=0, atol=1e-4) == is_shared, name


@pytest.mark.parametrize("share", [1e-9, 1.0])
def test_a_share_of_the_iterations_is_held_steady(make, share: float) -> None:  # type: ignore[no-untyped-def]
    training = make(replace(TINY, iterations=4, steadiness_share=share))
    training.run()
    is_steadied = [loss > 0 for loss in training.progress.losses["steadiness"]]
    assert is_steadied == [share == 1.0] * 4


def test_a_training_that_gets_no_better_stops(make) -> None:  # type: ignore[no-untyped-def]
    at_rest = {
        rate: 1e-9 for rate in ("learning_rate", "norm_learning_rate", "convolution_learning_rate")
    }
    training = make(replace(TINY, **at_rest, patience=4))
    training.run()
    assert training.progress.step < TINY.iterations
