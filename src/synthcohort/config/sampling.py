"""How the synthetic images are drawn."""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from synthcohort.config.types import Positive, Share
from synthcohort.settings import Settings


class Sampling(Settings):
    images: Positive | dict[str, Annotated[int, Field(ge=0)]] = 1000
    """How many images to make: a total, shared out as the labels are in train, or a count for each
    label by name."""
    shard: Positive = 500
    """Images a shard, the file that is made anew where one is lost."""
    sampler: Literal["ddpm", "ddim", "dpm-solver++"] = "dpm-solver++"
    """DDPM (Ho 2020), DDIM (Song 2021) or DPM-Solver++ of order 2 (Lu 2022)."""
    steps: Positive = 20
    """Sampling steps, one or (with guidance) two network evaluations each."""
    guidance: Annotated[float, Field(ge=0, le=100)] = 2.0
    """Scale of the guidance; 1 samples without it."""
    guide: Literal["withheld", "early"] = "early"
    """What guidance leads away from: the denoiser told neither label nor attributes
    (classifier-free guidance, Ho 2022), which makes images more alike, or the denoiser as it was
    after an eighth of its training, told the same (autoguidance, Karras 2024). The trained model
    (`model/`) then holds that one as well, whatever `guidance` is, and whoever gets it can tell
    more surely who was in the training; hand on images only, or take `withheld`."""
    guidance_interval: tuple[Share, Share] = (0.2, 0.8)
    """From which noise level to which samples are guided, as shares of diffusion.steps (1: noise
    alone; Kynkäänniemi 2024). A step outside costs one network evaluation."""
    batch: Positive = 100
    """Images drawn together. A sample's bytes can depend on it, but not on the shard."""

    @field_validator("guidance_interval")
    @classmethod
    def _rising(cls, interval: tuple[float, float]) -> tuple[float, float]:
        if interval[0] >= interval[1]:
            raise ValueError("expected two noise levels, the lower one first")
        return interval

    @field_validator("images")
    @classmethod
    def _some(cls, images: int | dict[str, int]) -> int | dict[str, int]:
        if isinstance(images, dict) and not any(images.values()):
            raise ValueError("asks for no image of any label; give a total, or a count for a label")
        return images

    def noise_levels(self, diffusion_steps: int) -> list[float]:
        """Those that the steps begin at, as shares of `diffusion_steps`, falling: evenly spaced
        from the last one down ("trailing", Lin 2024), as `diffusion.schedule` has them."""
        apart = diffusion_steps / self.steps
        return [
            (round(diffusion_steps - i * apart) - 1) / diffusion_steps for i in range(self.steps)
        ]

    def guided_steps(self, diffusion_steps: int) -> int:
        """How many of the steps are guided, each a second evaluation of a network."""
        if self.guidance == 1:
            return 0
        low, high = self.guidance_interval
        return sum(low <= level <= high for level in self.noise_levels(diffusion_steps))
