"""The synthetic dataset: how it is drawn, and how it is handed on."""

from typing import Annotated, Literal

from pydantic import Field

from synthcohort.config.cohort import Fractions
from synthcohort.config.types import Positive
from synthcohort.settings import Settings


class Sampling(Settings):
    images: Positive | dict[str, Annotated[int, Field(ge=0)]] = 1000
    """How many images to make: a total, shared out as the labels are in train, or a count for each
    label by name."""
    shard: Positive = 500
    """Images a shard; a shard is one job."""
    sampler: Literal["ddpm", "ddim", "dpm-solver++"] = "ddim"
    """DDPM (Ho 2020), DDIM (Song 2021) or DPM-Solver++ of order 2 (Lu 2022)."""
    steps: Positive = 50
    """Sampling steps, one or (with guidance) two network evaluations each."""
    guidance: Annotated[float, Field(ge=0)] = 1.0
    """Scale of classifier-free guidance; 1 samples without it."""
    batch: Positive = 100
    """Images drawn together. A sample's bytes can depend on it, but not on the shard."""


class Export(Settings):
    fractions: Fractions = Fractions(train=0.8, val=0.1, test=0.1)
    """How the synthetic images are shared out in the exported dataset, label by label."""
    title: str = "Synthetic images"
    """Title of the dataset card."""
    licence: str = "unknown"
    """Licence of the exported dataset, as the Hugging Face hub names it; the default grants
    nothing."""
    acknowledge: str = ""
    """For restricted real images: the name of their terms, to say that you have read them and that
    they let you pass on what is derived. Without it nothing runs; the message tells the name."""
