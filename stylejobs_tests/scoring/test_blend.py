"""Blends of styles, by name and by weights."""

import numpy as np
import pytest

from stylejobs.scoring.blend import blend, blend_digest, parse_blend
from stylejobs.scoring.weights import StyleWeights, UnusableStyle, expected_shapes

WIDTH = 4


def family(*names, seed=0):
    """Styles that share their convolutions."""
    shapes = expected_shapes(WIDTH)
    rng = np.random.default_rng(seed)
    shared = {
        name: rng.normal(size=shape).astype(np.float32)
        for name, shape in shapes.items()
        if ".conv2d." in name
    }
    for name in names:
        own = {
            tensor: rng.normal(size=shape).astype(np.float32)
            for tensor, shape in shapes.items()
            if ".conv2d." not in tensor
        }
        yield StyleWeights(name, shared | own, f"digest of {name}", {})


@pytest.mark.parametrize("text", ["a:0.7,b:0.3", "b:3, a:7", " b : 30 ,a:70"])
def test_weights_are_shares_in_any_order(text):
    assert parse_blend(text) == (("a", 0.7), ("b", 0.3))


def test_a_plain_name_is_no_blend():
    assert parse_blend("starry_night") is None
    assert parse_blend("waves, evening") is None


@pytest.mark.parametrize("text", ["a:0.7,b", "a:0,b:1", "a:1,a:2", "a:-1,b:2", "a:1.2.3", "a:,b:1"])
def test_what_is_written_like_a_blend_but_is_none_is_explained(text):
    with pytest.raises(UnusableStyle, match="is no blend of styles"):
        parse_blend(text)


def test_a_blend_is_the_weighted_mean_of_the_normalisations():
    wave, night = family("wave", "night")
    mixed = blend([(wave, 0.7), (night, 0.3)])
    for name in wave.tensors:
        expected = 0.7 * wave.tensors[name] + 0.3 * night.tensors[name]
        np.testing.assert_allclose(mixed.tensors[name], expected, atol=1e-6)
        assert mixed.tensors[name].dtype == np.float32
    assert mixed.name == "wave:0.7,night:0.3"


def test_a_blend_of_one_style_is_that_style():
    (wave,) = family("wave")
    alone = blend([(wave, 1.0)])
    for name, tensor in wave.tensors.items():
        np.testing.assert_array_equal(alone.tensors[name], tensor)


def test_styles_of_two_families_are_refused_by_name():
    (wave,), (stranger,) = family("wave", seed=1), family("mosaic", seed=2)
    with pytest.raises(UnusableStyle, match="'wave' and 'mosaic' cannot be blended"):
        blend([(wave, 0.5), (stranger, 0.5)])


def test_the_digest_changes_with_the_parts_and_with_their_weights():
    wave, night = family("wave", "night")
    digests = {
        blend([(wave, 0.7), (night, 0.3)]).digest,
        blend([(wave, 0.6), (night, 0.4)]).digest,
        blend([(wave, 1.0)]).digest,
    }
    assert len(digests) == 3
    assert blend([(night, 0.3), (wave, 0.7)]).digest in digests
    assert blend_digest([(wave.digest, 0.7), (night.digest, 0.3)]) in digests
