"""The diffusion model's mathematics: noise schedules, the training objective, samplers, guidance."""
