"""Every network on the meta device, where whatever mixes devices or waits for one raises."""

from pathlib import Path

import numpy as np
import pytest
import torch
import trained
from torch import nn
from trained import AUTOENCODER, DIFFUSION

from synthcohort.config import Evaluation, Sampling
from synthcohort.diffusion.objective import draw_timesteps, draw_withheld, loss, withhold
from synthcohort.diffusion.sampling import load_schedule, walk
from synthcohort.diffusion.schedule import build_schedule
from synthcohort.evaluation.extractors import bottleneck
from synthcohort.evaluation.networks.small_cnn import SmallCNN
from synthcohort.hardware import Hardware
from synthcohort.models import build_autoencoder, build_denoiser, load_denoiser
from synthcohort.models.pixels import denormalise
from synthcohort.training.autoencoder import _Judgement, _Reconstruction
from synthcohort.training.losses import build_discriminator, ssim
from synthcohort.training.state import descend, update_average

# The fixture of these tests too.
system = trained.system

META = torch.device("meta")
SCALER = torch.amp.GradScaler("cpu", enabled=False)
PLAIN = torch.device("cpu")


class OnMeta(Hardware):
    """Gives stages the meta device."""

    def open(self) -> torch.device:
        return META


def stepped(module: nn.Module, settings, value: torch.Tensor) -> None:
    """A step of the optimizer along the gradients of `value`."""
    optimizer = torch.optim.AdamW(module.parameters())  # a fused one there is not on meta
    value.backward()
    descend(module, optimizer, settings.gradient_clip, SCALER)
    assert all(weight.grad.device == META for weight in module.parameters())


def test_mixing_devices_raises_here():
    with pytest.raises((RuntimeError, NotImplementedError)):
        nn.Linear(2, 2).to(META)(torch.ones(1, 2, device=PLAIN))
    with pytest.raises((RuntimeError, NotImplementedError)):
        float(torch.ones((), device=META))


@pytest.mark.parametrize("network", ["strided", "kl"])
def test_a_step_of_the_autoencoder_and_its_discriminator(network):
    settings = AUTOENCODER.model_copy(update={"network": network})
    model = build_autoencoder(settings, 1, (32, 32)).to(META)
    judge = build_discriminator(1).to(META)
    images = torch.zeros(4, 1, 32, 32, device=META)
    noise = torch.zeros_like(model.encode(images).latent_dist.mean)
    latent, made = _Reconstruction(model)(images, noise)
    divergence = (latent.mean**2 + latent.var - 1 - latent.logvar).mean()
    value = (made - images).abs().mean() + 1 - ssim(made, images) + divergence
    stepped(model, settings, value - judge(made).mean())
    judge.zero_grad(set_to_none=True)
    stepped(judge, settings, _Judgement(judge)(images, made.detach()))


@pytest.mark.parametrize("prediction", ["epsilon", "v_prediction"])
@pytest.mark.parametrize(
    ("changes", "attributes"), [({}, 0), ({}, 2), ({"cross_attention": True}, 1)]
)
def test_a_step_of_the_denoiser_and_of_its_average(prediction, changes, attributes):
    settings = DIFFUSION.model_copy(update={"prediction": prediction, **changes})
    model, average = (build_denoiser(settings, (2, 8, 8), 2, attributes).to(META) for _ in "ab")
    schedule = build_schedule(settings)
    schedule.alphas_cumprod = schedule.alphas_cumprod.to(META)
    clean, noise = torch.zeros(2, 4, 2, 8, 8, device=META)
    generator = torch.Generator()
    told = torch.zeros(4, 3 + attributes, device=META)
    condition = withhold(told, draw_withheld(4, 0.1, generator).to(META))
    t = draw_timesteps(4, settings.steps, generator).to(META)
    value = loss(model, schedule, clean, condition, t, noise, settings.loss)
    stepped(model, settings, value)
    update_average(average.requires_grad_(False), model, 10.0, 4)


@pytest.mark.parametrize("sampler", ["ddpm", "ddim", "dpm-solver++"])
@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_samples_walked_and_decoded(system, sampler, guidance):
    denoiser = load_denoiser(system / "diffusion").to(META)
    decoder = build_autoencoder(AUTOENCODER, 1, (16, 16)).to(META)
    settings = Sampling(steps=3, batch=4, sampler=sampler, guidance=guidance)
    told = torch.eye(3)[:2]
    with torch.inference_mode():
        *_, last = walk(settings, denoiser, load_schedule(system / "diffusion"), told, [1, 2])
        made = decoder.decode(denormalise(last, decoder.config)).sample
    assert made.device == META and made.shape == (4, 1, 16, 16)


def test_features_of_the_bottleneck(system):
    models = {"autoencoder": system / "autoencoder", "diffusion": system / "diffusion"}
    _, _, features = bottleneck.open_extractor(Evaluation(), 0, models, OnMeta())
    with torch.inference_mode():
        found = features(np.zeros((3, 1, 16, 16), np.uint8))
    assert found.device == META and found.shape == (3, DIFFUSION.channels[-1])


def test_the_classifier_forward_and_backward():
    network = SmallCNN(1, (32, 32), 3).to(META)
    images = torch.zeros(4, 1, 32, 32, device=META)
    labels = torch.zeros(4, dtype=torch.long, device=META)
    nn.functional.cross_entropy(network(images), labels).backward()
    assert network.features(images).shape == (4, 128)


def test_inception_forward():
    from synthcohort.evaluation.extractors import inception

    weights: Path = inception.find_weights(Evaluation())
    network = inception.build(weights).to(META)
    pixels = torch.zeros(2, 1, 32, 32, dtype=torch.uint8, device=META)
    with torch.inference_mode():
        assert network(pixels.expand(-1, 3, -1, -1))[0].shape == (2, 2048)
