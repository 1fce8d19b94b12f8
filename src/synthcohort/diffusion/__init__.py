"""The diffusion model: noise schedules, the training objective, samplers, guidance."""
