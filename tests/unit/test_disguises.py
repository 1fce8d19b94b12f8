"""Disguises leave images, are the same for the same seed, and do what their names say."""

import numpy as np
import pytest
import torch
from cohorts import pictures

from synthcohort.audit import disguises

PLAIN = {"as it is"}


def images(count=6, side=48, seed=0):
    pixels = pictures(count, seed, side, sigma=side / 16)[:, None, :, :side]
    return torch.from_numpy(pixels.astype(np.float32) / 255)


@pytest.mark.parametrize("name", disguises.DISGUISES)
def test_a_disguise_makes_other_images_of_the_same_form(name):
    x, others = images(), images(seed=1)
    made = [disguises.DISGUISES[name](x, others, np.random.default_rng(3)) for _ in range(2)]
    assert made[0].shape == x.shape and made[0].min() >= 0 and made[0].max() <= 1
    assert torch.equal(*made)
    assert torch.equal(made[0], x) == (name in PLAIN)


def test_composed_ones_are_random_but_not_by_chance():
    x, others = images(), images(seed=1)
    first, again = (disguises.composed(x, others, np.random.default_rng(3)) for _ in range(2))
    other = disguises.composed(x, others, np.random.default_rng(4))
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert torch.isfinite(first).all() and first.min() >= 0 and first.max() <= 1


def test_lengths_grow_with_the_image():
    small, large = torch.zeros(1, 1, 48, 48), torch.zeros(1, 1, 96, 96)
    small[..., 23:25, 23:25] = large[..., 46:50, 46:50] = 1
    for x in (small, large):
        moved = disguises.warped(x, shift=(4, 0))
        across = (moved.sum((0, 1, 2)) * torch.arange(x.shape[3])).sum() / moved.sum()
        assert across == pytest.approx((x.shape[3] - 1) / 2 + 4 * x.shape[3] / 48, abs=0.1)


def test_bending_is_as_large_as_it_says_and_smooth():
    bend = disguises.bending(images(), 2.0, np.random.default_rng(0))
    assert bend.square().sum(3).mean((1, 2)).sqrt() == pytest.approx(np.full(6, 2), rel=1e-3)
    assert bend.diff(dim=1).abs().max() < 1.5


def test_turns_and_zooms_move_pixels_where_they_should():
    x = torch.zeros(1, 1, 49, 49)
    x[0, 0, 24, 40] = 1
    turned = disguises.warped(x, angle=90)
    assert np.unravel_index(int(turned.argmax()), (49, 49)) in {(40, 24), (8, 24)}
    x = torch.zeros(1, 1, 49, 49)
    x[0, 0, 24, 34] = 1
    assert np.unravel_index(int(disguises.warped(x, zoom=1.2).argmax()), (49, 49)) == (24, 36)
