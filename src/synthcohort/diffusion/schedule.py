"""Noise schedules, as diffusers' scheduler objects."""

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    from synthcohort.config import Diffusion, Sampling

BETA_SCHEDULES = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "cosine": "squaredcos_cap_v2",
}


def build_schedule(settings: "Diffusion", pixels: bool = False) -> "DDPMScheduler":
    """The noise schedule of a training: β_t, ᾱ_t, q(z_t | z_0) and the prediction type.

    DDPM keeps a predicted z_0 of `pixels` within [−1, 1] (Ho 2020); latents have no such range.
    """
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    # diffusers knows the sine schedule by its values only; they are saved with the scheduler.
    sine = settings.schedule == "sine"
    return DDPMScheduler(
        num_train_timesteps=settings.steps,
        beta_start=settings.beta_start,
        beta_end=settings.beta_end,
        beta_schedule="linear" if sine else BETA_SCHEDULES[settings.schedule],
        trained_betas=_sine(settings) if sine else None,
        prediction_type=settings.prediction,
        clip_sample=pixels,
        timestep_spacing="trailing",
    )


def _sine(settings: "Diffusion") -> list[float]:
    """β_t = β_min + (β_max − β_min) (1 − cos(πt / (T−1))) / 2 for t = 0…T−1."""
    rise = (1 - np.cos(np.linspace(0, np.pi, settings.steps))) / 2
    return (settings.beta_start + (settings.beta_end - settings.beta_start) * rise).tolist()


def build_sampler(trained: "DDPMScheduler", settings: "Sampling"):
    """The solver of `settings.sampler` for the schedule a model was trained with."""
    if settings.sampler == "ddpm":
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler as Sampler

        extra = {}
    elif settings.sampler == "ddim":
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler as Sampler

        # diffusers clips z_0 but not the noise that goes with it: the two no longer add up to what
        # they were predicted from, and grey noise stays in the background.
        extra = {"set_alpha_to_one": True, "clip_sample": False}
    else:
        from diffusers.schedulers.scheduling_dpmsolver_multistep import (
            DPMSolverMultistepScheduler as Sampler,
        )

        extra = {"algorithm_type": "dpmsolver++", "solver_order": 2}
    sampler = Sampler.from_config(trained.config, **extra)
    sampler.set_timesteps(settings.steps)
    return sampler
