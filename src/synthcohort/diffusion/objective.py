"""The training objective: noise a latent, withhold some labels, compare the prediction."""

import torch
from torch.nn import functional as F


def draw_timesteps(batch: int, steps: int, generator: torch.Generator) -> torch.Tensor:
    """`batch` timesteps in 0…steps−1, spread evenly over them from one random offset, which
    lowers the variance of the batch's loss (Kingma 2021, appendix I.1)."""
    device = generator.device
    offset = torch.rand((), generator=generator, device=device)
    places = (offset + torch.arange(batch, device=device) / batch) % 1
    return (places * steps).long().clamp_(max=steps - 1)


def withhold_labels(
    labels: torch.Tensor, share: float, null: int, generator: torch.Generator
) -> torch.Tensor:
    """`labels` with a random `share` of them replaced by `null` (Ho 2022, algorithm 1)."""
    dropped = torch.rand(labels.shape, generator=generator, device=labels.device) < share
    return labels.masked_fill(dropped, null)


def target(schedule, clean: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """What the network is to predict: ε, or v = √ᾱ ε − √(1−ᾱ) z (Salimans 2022, appendix D)."""
    if schedule.config.prediction_type == "epsilon":
        return noise
    return schedule.get_velocity(clean, noise, t)


def loss(
    model,
    schedule,
    clean: torch.Tensor,
    labels: torch.Tensor,
    t: torch.Tensor,
    noise: torch.Tensor,
) -> torch.Tensor:
    """The mean squared error of the prediction at timesteps `t` (Ho 2020, equation 14), a scalar.

    `clean` and `noise` are B×C×H×W float32, `labels` and `t` B int64.
    """
    noisy = schedule.add_noise(clean, noise, t)
    predicted = model(noisy, t, class_labels=labels).sample
    return F.mse_loss(predicted.float(), target(schedule, clean, noise, t))
