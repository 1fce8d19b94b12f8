"""Noise schedules, as diffusers' scheduler objects."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    from synthcohort.config import Diffusion, Sampling

BETA_SCHEDULES = {
    "linear": "linear",
    "scaled_linear": "scaled_linear",
    "cosine": "squaredcos_cap_v2",
}


def build_schedule(settings: "Diffusion") -> "DDPMScheduler":
    """The noise schedule of a training: β_t, ᾱ_t, q(z_t | z_0) and the prediction type.

    Latents are not clipped: unlike pixels they have no natural range.
    """
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    return DDPMScheduler(
        num_train_timesteps=settings.steps,
        beta_start=settings.beta_start,
        beta_end=settings.beta_end,
        beta_schedule=BETA_SCHEDULES[settings.schedule],
        prediction_type=settings.prediction,
        clip_sample=False,
        timestep_spacing="trailing",
    )


def build_sampler(trained: "DDPMScheduler", settings: "Sampling"):
    """The solver of `settings.sampler` for the schedule a model was trained with."""
    if settings.sampler == "ddpm":
        from diffusers.schedulers.scheduling_ddpm import DDPMScheduler as Sampler

        extra = {}
    elif settings.sampler == "ddim":
        from diffusers.schedulers.scheduling_ddim import DDIMScheduler as Sampler

        extra = {"set_alpha_to_one": True}
    else:
        from diffusers.schedulers.scheduling_dpmsolver_multistep import (
            DPMSolverMultistepScheduler as Sampler,
        )

        extra = {"algorithm_type": "dpmsolver++", "solver_order": 2}
    sampler = Sampler.from_config(trained.config, **extra)
    sampler.set_timesteps(settings.steps)
    return sampler
