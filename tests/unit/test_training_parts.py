"""The parts of the trainings by themselves: losses, learning rate, order of the images."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from skimage.metrics import structural_similarity

from synthcohort.config import Autoencoder, Diffusion
from synthcohort.errors import UserError
from synthcohort.models import build_autoencoder
from synthcohort.training import loop
from synthcohort.training.losses import ssim

AUTOENCODER = Autoencoder(images=240, channels=(8, 8), latent_channels=2)


def test_ssim_agrees_with_scikit_image():
    rng = np.random.default_rng(0)
    x = rng.uniform(-1, 1, (3, 2, 20, 24))
    y = np.clip(x + rng.normal(0, 0.3, x.shape), -1, 1)
    # scikit-image leaves out a border of half a window, which is where avg_pool2d has no window.
    reference = [
        structural_similarity(a, b, data_range=2, channel_axis=0) for a, b in zip(x, y, strict=True)
    ]
    ours = ssim(torch.from_numpy(x), torch.from_numpy(y))
    assert float(ours) == pytest.approx(np.mean(reference), abs=1e-6)


def test_an_image_size_that_does_not_fit_the_autoencoder_is_told():
    with pytest.raises(UserError, match=r"prepare\.size is 60×64.*multiples of 8"):
        build_autoencoder(AUTOENCODER, 1, (60, 64))


def test_the_learning_rate_rises_and_falls_as_described():
    settings = Diffusion(images=1000, batch=10, warmup_images=100, learning_rate=1.0)
    rates = [loop.learning_rate(settings, images) for images in range(0, 1000, 10)]
    assert rates[0] == pytest.approx(0.1) and rates[10] == pytest.approx(1.0)
    assert all(a > b for a, b in pairwise(rates[10:]))
    assert rates[55] == pytest.approx(0.5) and rates[-1] < 0.01


def test_without_decay_the_learning_rate_stays_at_its_peak():
    settings = Diffusion(images=100, batch=10, warmup_images=20, learning_rate=1.0, decay="none")
    rates = [loop.learning_rate(settings, images) for images in range(0, 100, 10)]
    assert rates == [0.5, *[1.0] * 9]


def test_every_epoch_shows_every_image_once_whatever_the_batch():
    rows = np.arange(10, 33)
    for batch in (4, 23, 50):
        seen = np.concatenate(
            [loop.batch_rows(rows, 0, start, batch) for start in range(0, 23 * batch, batch)]
        )
        for epoch in range(len(seen) // 23):
            assert sorted(seen[epoch * 23 : (epoch + 1) * 23]) == rows.tolist()
