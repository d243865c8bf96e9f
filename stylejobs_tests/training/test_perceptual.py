"""The style loss of small crops."""

from __future__ import annotations

import torch
from torch import Tensor

from stylejobs.training.perceptual import PooledStyleLoss, gram_matrix, style_losses


def maps(seed: int) -> list[Tensor]:
    """Feature maps of one picture, at two taps."""
    generator = torch.Generator().manual_seed(seed)
    return [torch.rand(1, channels, 8, 8, generator=generator) for channels in (3, 5)]


def grams(*pictures: list[Tensor]) -> list[Tensor]:
    return [torch.cat([gram_matrix(p[tap]) for p in pictures]) for tap in range(2)]


def test_without_a_pool_each_crop_is_compared_by_itself() -> None:
    painting = grams(maps(0))
    loss = PooledStyleLoss(painting, (1.0, 1.0))
    for seed in (1, 2):
        torch.testing.assert_close(loss(maps(seed), [0]), style_losses(maps(seed), painting))


def test_crops_that_are_right_together_are_right() -> None:
    crops = maps(1), maps(2)
    between = [gram.mean(0, keepdim=True) for gram in grams(*crops)]
    loss = PooledStyleLoss(between, (0.5, 0.5))
    alone = loss(crops[0], [0])
    together = loss(crops[1], [0])
    assert (together < 1e-6 * alone).all()


def test_the_gradient_is_as_if_all_of_the_pool_were_this_crop() -> None:
    crops = maps(1), maps(2)
    painting = grams(maps(0))
    shares = 0.25, 0.5
    loss = PooledStyleLoss(painting, shares)
    loss(crops[0], [0])
    features = [each.requires_grad_() for each in crops[1]]
    gradients = torch.autograd.grad(loss(features, [0]).sum(), features)
    for tap, gradient in enumerate(gradients):
        own = gram_matrix(features[tap])
        pool = torch.lerp(gram_matrix(crops[0][tap]), own, shares[tap]).detach()
        direction = 2 * (pool - painting[tap]) / pool.numel()
        (expected,) = torch.autograd.grad((own * direction).sum(), features[tap])
        torch.testing.assert_close(gradient, expected)


def test_every_style_has_a_pool_of_its_own() -> None:
    paintings = grams(maps(0), maps(1))
    loss = PooledStyleLoss(paintings, (0.5, 0.5))
    loss([torch.cat(pair) for pair in zip(maps(2), maps(3), strict=True)], [0, 1])
    second = loss(maps(3), [1])  # its pool holds nothing else than this picture
    torch.testing.assert_close(second, style_losses(maps(3), [p[1:] for p in paintings]))


def test_a_gram_matrix_of_bf16_features_is_that_of_fp32_but_for_rounding() -> None:
    features = torch.rand(2, 8, 24, 32)
    found = gram_matrix(features.bfloat16())
    assert found.dtype == torch.float32
    torch.testing.assert_close(found, gram_matrix(features), rtol=0.01, atol=0)
