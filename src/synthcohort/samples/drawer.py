"""The trained networks that draw images, loaded once."""

from collections.abc import Iterator
from pathlib import Path

import numpy as np

from synthcohort.config import Sampling
from synthcohort.diffusion.sampling import draw, load_schedule
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.models import load_autoencoder, load_denoiser, load_guide
from synthcohort.models.condition import describe
from synthcohort.models.pixels import from_model

_PAYS = 1_000_000
"""Passes of images through the denoiser from which on compiling it is worth its minute or so: an
estimate, some 25,000 images of 20 guided steps on a fast GPU."""


class Drawer:
    """Draws images; which ones and how is said with every call."""

    def __init__(
        self,
        settings: Sampling,
        *,
        autoencoder: Path,
        diffusion: Path,
        hardware: Hardware,
        images: int = 0,
    ) -> None:
        """`images` is how many are going to be drawn by `settings`, by which it is known whether
        compiling pays.

        Raises:
            UserError: the guide that `settings` name is not in the folder `diffusion`.
        """
        device = hardware.open()
        self._hardware = hardware
        self.names: list[str] = read_json(diffusion / "labels.json")["names"]
        """All labels that the denoiser knows, by class number."""
        self._standard = read_json(diffusion / "attributes.json")
        self._schedule = load_schedule(diffusion)
        self._decoder = load_autoencoder(autoencoder).to(device)
        self._denoiser = load_denoiser(diffusion).to(device)
        guides = [load_guide(diffusion).to(device)] if settings.guide == "early" else []
        self._guide = guides[0] if guides else None
        passes = images * settings.steps * (1 if settings.guidance == 1 else 2)
        hardware.prepare(self._decoder.decoder, self._denoiser, *guides, pays=passes >= _PAYS)

    def images(
        self,
        settings: Sampling,
        labels: np.ndarray,
        attributes: np.ndarray,
        seeds: list[int],
        dtype: np.dtype,
    ) -> Iterator[np.ndarray]:
        """n images, batch by batch: b×C×H×W uint8 or uint16 (`dtype`). `settings` have the guide
        of those that the networks were loaded for.

        `labels` are n places in `names`, `attributes` n×A, and each of the n `seeds` is that of an
        image's noise.
        """
        mean, std = self._standard["mean"], self._standard["std"]
        condition = describe(labels, len(self.names), attributes, mean, std)
        models = self._decoder, self._denoiser, self._schedule
        for images in draw(settings, *models, condition, seeds, self._hardware, self._guide):
            yield from_model(images, dtype)
