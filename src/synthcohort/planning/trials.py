"""Networks tried on this machine: what a step of their trainings, and all around it, takes.

Made of the stages' own parts. On a CPU seconds are those that the calling thread computes, which
are those of a clock on a machine where nobody else works; on a GPU they are a clock's.
"""

import copy
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import torch
from torch import nn

from synthcohort.config import Autoencoder, Diffusion, Sampling
from synthcohort.diffusion.objective import draw_timesteps, loss
from synthcohort.diffusion.preview import SAMPLES, snapshot
from synthcohort.diffusion.sampling import walk
from synthcohort.diffusion.schedule import build_schedule
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import block_of
from synthcohort.hardware.precision import speeds, wait
from synthcohort.latents.encode import reconstruct
from synthcohort.latents.reconstruction import measure
from synthcohort.models import build_autoencoder, build_denoiser, parameters
from synthcohort.models.condition import predict, withheld
from synthcohort.models.pixels import from_model, to_model
from synthcohort.training.loop import VALIDATION_IMAGES
from synthcohort.training.losses import autoencoder_loss, build_discriminator, hinge, ssim
from synthcohort.training.state import adamw, build_optimizer, descend, update_average

_SECONDS = 3.0
"""How long a step is tried, after a first time."""


@dataclass(frozen=True)
class AutoencoderCost:
    """Seconds."""

    step: float
    """An image of the training."""
    validation: float
    """One of the training's validations."""
    encode: float
    """An image whose latent is written."""
    reconstruct: float
    """An image that is encoded, decoded and compared with itself."""


@dataclass(frozen=True)
class DenoiserCost:
    """Seconds, and the number of weights."""

    step: float
    """An image of the training."""
    validation: float
    """One of the training's validations, with the samples that it draws."""
    walk: float
    """An image once through the network in sampling, with one thread."""
    decode: float
    """An image that is decoded, with one thread."""
    weights: int


def try_autoencoder(
    settings: Autoencoder, images: np.ndarray, hardware: Hardware
) -> tuple[AutoencoderCost, nn.Module]:
    """What an autoencoder takes on images like these (n×C×H×W uint8 or uint16, n ≥ 1, repeated
    where a step wants more), and the untrained network."""
    device, autocast = hardware.open(), hardware.autocast(half=True)
    _, channels, height, width = images.shape
    images = images[np.arange(max(settings.batch, VALIDATION_IMAGES)) % len(images)]
    model = build_autoencoder(settings, channels, (height, width)).to(device)
    # diffusers' own has none; the stage sets both after the training.
    model.register_to_config(scaling_factor=1.0, shift_factor=0.0)
    block = images[: block_of(height, width, hardware.micro_batch)]
    with torch.inference_mode():
        encode = _seconds(lambda: _encoded(model, block, device), device) / len(block)
        few = images[:32]
        made = reconstruct(model, few, device)
        comparing = _seconds(lambda: measure(few, made, np.arange(len(few)), 0), device)
        again = _seconds(lambda: reconstruct(model, block, device), device) / len(block)
    step, watch = _autoencoder_step(model, settings, images, hardware, autocast)
    plain = _seconds(lambda: step(False), device, long=True)
    judged = (
        _seconds(lambda: step(True), device, long=True) if settings.adversarial_weight else plain
    )
    start = settings.adversarial_start
    cost = AutoencoderCost(
        step=(start * plain + (1 - start) * judged) / settings.batch,
        validation=_seconds(watch, device),
        encode=encode,
        reconstruct=again + comparing / len(few),
    )
    return cost, model.eval()


def try_denoiser(
    settings: Diffusion,
    sampling: Sampling,
    latent: tuple[int, int, int],
    labels: int,
    attributes: int,
    decoder: nn.Module,
    hardware: Hardware,
) -> DenoiserCost:
    """What a U-Net takes for latents of C×H×W that is told of so many labels and attributes, and
    what drawing images from it and the `decoder` does."""
    device, autocast = hardware.open(), hardware.autocast(half=True)
    model = build_denoiser(settings, latent, labels, attributes).to(device)
    told = 1 + labels + attributes
    average = copy.deepcopy(model).requires_grad_(False).eval()
    optimizer, scaler = build_optimizer(model, settings), hardware.scaler()
    _warm(optimizer, settings)
    hardware.prepare(model)
    average.to(memory_format=torch.channels_last)
    schedule = build_schedule(settings)
    schedule.alphas_cumprod = schedule.alphas_cumprod.to(device)
    generator = torch.Generator().manual_seed(0)

    def asked(images: int) -> tuple[torch.Tensor, ...]:
        clean, noise = torch.randn(2, images, *latent, generator=generator)
        condition = torch.zeros(images, told)
        condition[:, :2] = 1
        t = draw_timesteps(images, settings.steps, generator)
        return tuple(x.to(device) for x in (clean, condition, t, noise))

    def step() -> None:
        optimizer.zero_grad(set_to_none=True)
        with autocast:
            value = loss(model, schedule, *asked(settings.batch), settings.loss)
        scaler.scale(value).backward()
        descend(model, optimizer, settings.gradient_clip, scaler)
        scaler.update()
        update_average(average, model, settings.batch, settings.batch)

    @torch.no_grad()
    def watch() -> None:
        with autocast:
            loss(average, schedule, *asked(VALIDATION_IMAGES), settings.loss)
        snapshot(schedule, average, torch.ones(SAMPLES, told), decoder, 0)

    def draw() -> None:
        few = sampling.model_copy(update={"steps": 2, "guidance": 1})
        with torch.inference_mode(), autocast:
            seeds = list(range(sampling.batch))
            for _ in walk(few, average, schedule, torch.ones(sampling.batch, told), seeds):
                pass

    @torch.inference_mode()
    def decode() -> None:
        latents = torch.zeros(sampling.batch, *latent, device=device)
        from_model(decoder.decode(latents).sample, np.dtype(np.uint8))

    training, validation = _seconds(step, device, long=True), _seconds(watch, device)
    threads = torch.get_num_threads()
    torch.set_num_threads(1 if device.type == "cpu" else threads)
    try:
        drawn, decoded = _seconds(draw, device), _seconds(decode, device)
    finally:
        torch.set_num_threads(threads)
    return DenoiserCost(
        step=training / settings.batch,
        validation=validation,
        walk=drawn / 2 / sampling.batch,
        decode=decoded / sampling.batch,
        weights=parameters(model)["parameters"],
    )


def gain_of_bf16(settings: Diffusion, latent: tuple[int, int, int], hardware: Hardware) -> float:
    """How many times as fast the U-Net's steps are in bf16 as in fp32."""
    device = hardware.open()
    model = build_denoiser(settings, latent, 1).to(device, memory_format=torch.channels_last)
    noisy = torch.randn(settings.batch, *latent, device=device)
    t, condition = torch.zeros(settings.batch, device=device), withheld(model, settings.batch)
    found = speeds(lambda: predict(model, noisy, t, condition), device, 1.0)
    return found["bf16"] / found["fp32"]


def latent_of(model: nn.Module, shape: tuple[int, int, int]) -> tuple[int, int, int]:
    """C×H×W of the latents of images of C×H×W."""
    device = next(model.parameters()).device
    with torch.no_grad():
        return tuple(model.encode(torch.zeros(1, *shape, device=device)).latent_dist.mean.shape[1:])


def _autoencoder_step(
    model: nn.Module,
    settings: Autoencoder,
    images: np.ndarray,
    hardware: Hardware,
    autocast: torch.autocast,
) -> tuple[Callable[[bool], None], Callable[[], None]]:
    """A step of the training (with or without the discriminator) and a validation."""
    device = hardware.open()
    judge = build_discriminator(images.shape[1]).to(device)
    optimizer, teacher = build_optimizer(model, settings), adamw(judge, settings)
    _warm(optimizer, settings)
    _warm(teacher, settings)
    scaler = hardware.scaler()
    hardware.prepare(model.encoder, model.decoder)

    def step(judged: bool) -> None:
        batch = to_model(images[: settings.batch]).to(device)
        with autocast:
            latent = model.encode(batch).latent_dist
            made = model.decode(latent.mean + latent.std * torch.randn_like(latent.mean))
        made = made.sample.float()
        value, _ = autoencoder_loss(settings, latent, made, batch)
        optimizer.zero_grad(set_to_none=True)
        teacher.zero_grad(set_to_none=True)
        if judged:
            with autocast:
                value = value - settings.adversarial_weight * judge(made).float().mean()
                taught = hinge(judge(batch).float(), judge(made.detach()).float())
            scaler.scale(taught).backward()
            descend(judge, teacher, settings.gradient_clip, scaler)
        scaler.scale(value).backward()
        descend(model, optimizer, settings.gradient_clip, scaler)
        scaler.update()

    @torch.no_grad()
    def watch() -> None:
        held_out = to_model(images[:VALIDATION_IMAGES]).to(device)
        with torch.compiler.set_stance("force_eager"), autocast:
            for block in held_out.split(block_of(*images.shape[2:], hardware.micro_batch)):
                made = model.decode(model.encode(block).latent_dist.mode()).sample.float()
                ssim(made, block)

    return step, watch


def _warm(optimizer: torch.optim.Optimizer, settings: Autoencoder | Diffusion) -> None:
    """The peak of the learning rates, as the loop sets them."""
    for group in optimizer.param_groups:
        group["lr"] = settings.learning_rate * group.get("share", 1)


def _encoded(model: nn.Module, images: np.ndarray, device: torch.device) -> None:
    latent = model.encode(to_model(images).to(device)).latent_dist
    latent.mean.cpu(), latent.std.cpu()


def _seconds(call: Callable[[], object], device: torch.device, long: bool = False) -> float:
    """What a call takes after a first one: the first quartile of two, or of as many as `_SECONDS`
    allow. Others on the machine empty the caches, which makes a call longer and never shorter."""
    clock = time.thread_time if device.type == "cpu" else time.perf_counter
    call()
    wait(device)
    taken, end = [], time.perf_counter() + (_SECONDS if long else 0)
    while len(taken) < 2 or time.perf_counter() < end:
        began = clock()
        call()
        wait(device)
        taken.append(clock() - began)
    return sorted(taken)[len(taken) // 4]
