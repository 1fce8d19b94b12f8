"""The parts of the trainings by themselves: losses, learning rate, order of the images."""

from itertools import pairwise

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.metrics import structural_similarity
from torch.nn import functional

from synthcohort.config import Autoencoder, Diffusion
from synthcohort.errors import UserError
from synthcohort.models import build_autoencoder, load_autoencoder
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
    kl = AUTOENCODER.model_copy(update={"network": "kl", "channels": (8, 8, 8, 8)})
    with pytest.raises(UserError, match=r"prepare\.size is 60×64.*multiples of 8"):
        build_autoencoder(kl, 1, (60, 64))


@settings(max_examples=20, deadline=None)
@given(st.integers(1, 40), st.integers(1, 40))
def test_the_light_autoencoder_takes_images_of_any_size(height, width):
    model = build_autoencoder(AUTOENCODER, 1, (height, width)).eval()
    images = torch.linspace(-1, 1, height * width).reshape(1, 1, height, width)
    latents = model.encode(images).latent_dist.mode()
    assert latents.shape[2] % 2 == latents.shape[3] % 2 == 0
    assert model.decode(latents).sample.shape == images.shape


def test_what_the_light_autoencoder_adds_around_an_image_is_what_it_cuts_off(tmp_path):
    model = build_autoencoder(AUTOENCODER, 1, (20, 30)).eval()
    model.encoder, model.decoder = torch.nn.Identity(), torch.nn.Identity()
    images = torch.rand(2, 1, 20, 30)
    padded = functional.pad(images, model.border, mode="replicate")
    assert padded.shape[2:] == (32, 32)
    assert torch.equal(model.decode(padded).sample, images)
    build_autoencoder(AUTOENCODER, 1, (20, 30)).save_pretrained(tmp_path)
    assert load_autoencoder(tmp_path).border == model.border


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
