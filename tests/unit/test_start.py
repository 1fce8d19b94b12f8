"""Networks that start from given weights: what they keep of these, and what is told."""

import json

import numpy as np
import pytest
import torch
from starts import (
    autoencoder_kl,
    denoiser,
    diffusion,
    started,
    strided,
    unet_of_a_run,
    unet_of_others,
    unet_that_reads,
)

from synthcohort.models.condition import describe, predict, withheld
from synthcohort.models.start_folder import WEIGHTS, files


def told(classes, labels, *values):
    """Conditions of images, with an attribute each in standard deviations where there are any."""
    one = [0.0] * bool(values), [1.0] * bool(values)
    return describe(np.array(classes), len(labels), np.array(values)[:, None], *one)


@torch.no_grad()
def predicted(model, condition, channels=2):
    torch.manual_seed(2)
    noisy = torch.randn(len(condition), channels, 8, 8)
    return predict(model, noisy, torch.tensor([400] * len(condition)), condition)


def close(a, b):
    return torch.allclose(a, b, atol=1e-5)


@pytest.mark.parametrize("make", [autoencoder_kl, strided])
@pytest.mark.parametrize(("before", "after"), [(3, 1), (1, 3), (1, 1)])
@torch.no_grad()
def test_grey_images_come_through_as_they_did_in_colour(tmp_path, make, before, after):
    old = make(tmp_path, before)
    new, told = started(tmp_path, after)
    images = torch.randn(2, 1, 16, 16)
    was, latents = (
        model.encode(images.repeat(1, of, 1, 1)).latent_dist
        for model, of in ((old, before), (new, after))
    )
    assert close(was.mean, latents.mean) and close(was.std, latents.std)
    grey = old.decode(was.mean).sample.mean(1, keepdim=True)
    assert close(grey.repeat(1, after, 1, 1), new.decode(latents.mean).sample)
    assert len(told.adapted) == (before != after)
    assert told.network == type(old).__name__ and told.licence == "MIT"


def test_a_strided_autoencoder_takes_images_of_another_size(tmp_path):
    strided(tmp_path)
    model, _ = started(tmp_path, size=(20, 28))
    images = torch.randn(1, 1, 20, 28)
    assert model.decode(model.encode(images).latent_dist.mode()).sample.shape == images.shape


def test_labels_are_matched_by_name(tmp_path):
    old = unet_of_a_run(tmp_path, ("A", "B", "C"))
    new, given = denoiser(tmp_path / "diffusion", ("B", "D", "A"))
    before = predicted(old, torch.cat([told([1, 0], "ABC"), withheld(old, 2)]))
    after = predicted(new, torch.cat([told([0, 2], "BDA"), withheld(new, 2)]))
    assert close(before, after)
    # A new label begins as one that is withheld.
    assert close(predicted(new, told([1], "BDA")), predicted(new, withheld(new, 1)))
    assert len(given.adapted) == 2 and "label D" in given.adapted[0] and "C" in given.adapted[1]


@pytest.mark.parametrize("crossed", [False, True])
def test_attributes_are_matched_by_name(tmp_path, crossed):
    old = unet_of_a_run(tmp_path, "AB", ["age"], cross_attention=crossed)
    new, given = denoiser(tmp_path, "BA", ["bmi", "age"])
    before = predicted(old, told([1, 0], "AB", 0.5, -1.0))
    condition = told([0, 1], "BA", 0.5, -1.0)
    other = torch.tensor([[3.0], [4.0]])  # says nothing yet
    after = predicted(new, torch.cat([condition[:, :3], other, condition[:, 3:]], 1))
    assert close(before, after)
    assert close(predicted(old, withheld(old, 1)), predicted(new, withheld(new, 1)))
    assert given.adapted == ("it does not know the attribute bmi, which begins anew",)


def test_a_unet_without_labels_begins_as_what_it_was(tmp_path):
    old = unet_of_others(tmp_path)
    new, given = denoiser(tmp_path)
    torch.manual_seed(2)
    with torch.no_grad():
        was = old(torch.randn(2, 2, 8, 8), torch.tensor([400, 400])).sample
    assert close(was, predicted(new, told([0, 1], "AB")))
    assert [sentence.split()[0] for sentence in given.adapted] == ["nothing", "what"]


def test_a_unet_that_was_told_by_texts_is_told_by_labels(tmp_path):
    old = unet_that_reads(tmp_path)
    new, _ = denoiser(tmp_path, "AB", ["age"])
    assert torch.equal(new.conv_in.weight, old.conv_in.weight)
    assert torch.isfinite(predicted(new, told([0, 1], "AB", 0.5, -1.0))).all()


def test_a_unet_of_rgb_pixels_takes_grey_ones(tmp_path):
    old = unet_of_others(tmp_path, in_channels=3, out_channels=3)
    new, given = denoiser(tmp_path, shape=(1, 8, 8), pixels=True)
    torch.manual_seed(2)
    with torch.no_grad():
        was = old(torch.randn(1, 1, 8, 8).repeat(1, 3, 1, 1), torch.tensor([400])).sample
    assert close(was.mean(1, keepdim=True), predicted(new, told([0], "AB"), 1))
    assert "RGB" in given.adapted[1]


def test_a_noise_schedule_that_differs_is_told(tmp_path):
    unet_of_a_run(tmp_path)
    assert denoiser(tmp_path)[1].adapted == ()
    path = tmp_path / "diffusion/scheduler/scheduler_config.json"
    path.write_text(json.dumps(json.loads(path.read_text()) | {"beta_schedule": "linear"}))
    assert denoiser(tmp_path)[1].adapted == ("it was trained with another noise schedule",)


def test_every_file_that_is_taken_from_counts(tmp_path):
    unet_of_a_run(tmp_path)
    names = {path.name for path in files(diffusion(tmp_path).start, "diffusion")}
    assert names == {
        *("config.json", WEIGHTS, "labels.json", "attributes.json", "scheduler_config.json")
    }
    assert files(None, "diffusion") == []
