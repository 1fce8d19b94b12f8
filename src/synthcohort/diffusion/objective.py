"""The training objective: noise a latent, withhold some conditions, compare the prediction."""

import torch
from torch.nn import functional as F

from synthcohort.models.condition import predict

LOSSES = {"mse": F.mse_loss, "l1": F.l1_loss}


def draw_timesteps(batch: int, steps: int, generator: torch.Generator) -> torch.Tensor:
    """`batch` timesteps in 0…steps−1, spread evenly over them from one random offset, which
    lowers the variance of the batch's loss (Kingma 2021, appendix I.1)."""
    device = generator.device
    offset = torch.rand((), generator=generator, device=device)
    places = (offset + torch.arange(batch, device=device) / batch) % 1
    return (places * steps).long().clamp_(max=steps - 1)


def draw_withheld(batch: int, share: float, generator: torch.Generator) -> torch.Tensor:
    """Which of `batch` conditions are withheld, a random `share` of them (Ho 2022, algorithm 1)."""
    return torch.rand(batch, generator=generator, device=generator.device) < share


def withhold(condition: torch.Tensor, withheld: torch.Tensor) -> torch.Tensor:
    """`condition` (B×D) without the rows that `withheld` (B, bool) names."""
    return condition.masked_fill(withheld[:, None], 0)


def target(schedule, clean: torch.Tensor, noise: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
    """What the network is to predict: ε, or v = √ᾱ ε − √(1−ᾱ) z (Salimans 2022, appendix D)."""
    if schedule.config.prediction_type == "epsilon":
        return noise
    return schedule.get_velocity(clean, noise, t)


def loss(
    model,
    schedule,
    clean: torch.Tensor,
    condition: torch.Tensor,
    t: torch.Tensor,
    noise: torch.Tensor,
    kind: str = "mse",
) -> torch.Tensor:
    """The error of the prediction at timesteps `t`, a scalar: mean squared (Ho 2020, equation 14)
    or mean absolute ("l1").

    `clean` and `noise` are B×C×H×W float32, `condition` B×D float32, `t` B int64.
    """
    noisy = schedule.add_noise(clean, noise, t)
    predicted = predict(model, noisy, t, condition)
    return LOSSES[kind](predicted, target(schedule, clean, noise, t))
