"""The planner's rule: which networks, and how the time is shared out between them.

All of it comes from the runs in docs/recipe.md, whose last section says what each number rests on
and what it does not. A number is changed here and nowhere else.
"""

from typing import TypeVar

from synthcohort.config import Autoencoder, Diffusion, Sampling

Section = TypeVar("Section", Autoencoder, Diffusion)

AUTOENCODER_SHARE = 0.3
"""The autoencoder's part of the time that is left for the steps of both trainings."""
IMAGES_A_MILLION = 4_000
"""The widest U-Net is taken that sees at least so many images for every million of its weights."""
LEAST_IMAGES = 2_000
"""A training on fewer is not planned."""
MOST_PASSES = 15
"""Beyond so many a plan warns: no measured run with fewer had a membership above 0.57."""
EMA_SHARE = 1 / 20
"""Half-life of the average weights, of the denoiser's images."""
SAMPLING = {"sampler": "dpm-solver++", "steps": 10}

# For a CPU: few latents, a wide U-Net on them, Muon beside AdamW, a line down to zero.
MOST_PLACES = 16
"""A level is added to the light autoencoder until its latents have no more places a side."""
LEVELS = (64, 128, 192, 256)
"""Its channels by level."""
UNETS = {
    1: ((64,), (128,), (192,), (256,)),
    2: ((64, 96), (64, 128), (96, 128), (128, 192), (192, 256), (256, 384)),
    3: ((64, 96, 128), (64, 128, 192), (96, 192, 256), (128, 256, 384), (192, 384, 512)),
}
"""Channels by the number of levels, the cheapest first."""
LIGHT = {"optimizer": "muon", "decay": "linear", "learning_rate": 0.002, "muon_learning_rate": 0.02}
WARMUP = 1_000

# For a GPU and images of 64×64 or more: config/presets. Nobody has measured these.
PRESETS = (
    # GB, autoencoder: channels, batch; U-Net: channels, batch
    (8, (32, 64, 128), 32, (96, 192, 288), 128),
    (16, (64, 128, 256), 32, (128, 256, 384), 192),
    (24, (64, 128, 256), 48, (160, 320, 480), 256),
    (80, (128, 256, 512), 64, (256, 512, 768), 512),
)
HEAVY = {"learning_rate": 2e-4}
HEAVY_WARMUP = 50_000


def autoencoder(size: tuple[int, int], gigabytes: float = 0) -> Autoencoder:
    """The autoencoder for images of `size` on a GPU with so much memory (0: a CPU); its `images`
    are to be set (`of_length`)."""
    if gigabytes and _suits_kl(size):
        _, channels, batch, *_ = _presets(gigabytes)[-1]
        return Autoencoder(
            images=LEAST_IMAGES,
            network="kl",
            channels=channels,
            latent_channels=4,
            batch=batch,
            adversarial_weight=0.1,
            **HEAVY,
        )
    levels = 1
    while levels < len(LEVELS) and -(-max(size) // 2 ** (levels + 1)) > MOST_PLACES:
        levels += 1
    return Autoencoder(
        images=LEAST_IMAGES, channels=LEVELS[:levels], latent_channels=4, batch=32, **LIGHT
    )


def denoisers(
    size: tuple[int, int], latent: tuple[int, int, int], gigabytes: float = 0
) -> list[Diffusion]:
    """The U-Nets to choose from for latents of C×H×W of images of `size`, the cheapest first; their
    `images` are to be set (`of_length`)."""
    if gigabytes and _suits_kl(size):
        return [
            Diffusion(
                images=LEAST_IMAGES,
                channels=channels,
                attention=(False, True, True),
                batch=batch,
                **HEAVY,
            )
            for *_, channels, batch in _presets(gigabytes)
        ]
    _, height, width = latent
    levels = 1 if height % 2 or width % 2 else 2
    if levels == 2 and min(height, width) >= MOST_PLACES and not (height % 4 or width % 4):
        levels = 3
    everywhere = max(height, width) <= 4
    return [
        Diffusion(
            images=LEAST_IMAGES,
            channels=channels,
            attention=(*[everywhere] * (levels - 1), True),
            blocks=1,
            **LIGHT,
        )
        for channels in UNETS[levels]
    ]


def of_length(settings: Section, images: int) -> Section:
    """The same training with so many images, and what depends on their number."""
    most = WARMUP if settings.optimizer == "muon" else HEAVY_WARMUP
    lengths = {"images": images, "warmup_images": min(most, images // 10)}
    if isinstance(settings, Diffusion):
        lengths["ema_images"] = round(images * EMA_SHARE)
    return settings.model_copy(update=lengths)


def sampling(asked: Sampling) -> Sampling:
    """How to draw, of what was `asked`: as many, guided as much, by the solver of the rule."""
    return asked.model_copy(update=SAMPLING)


def wide_enough(images: int, weights: int) -> bool:
    """Whether so many images are enough for a U-Net of so many weights."""
    return images >= IMAGES_A_MILLION * weights / 1e6


def _suits_kl(size: tuple[int, int]) -> bool:
    # Three levels of the autoencoder and three of the U-Net halve a side four times.
    return min(size) >= 64 and not any(side % 16 for side in size)


def _presets(gigabytes: float) -> tuple:
    """Those that fit into so much memory, at least the smallest."""
    # A card has some per cent less than the round number that it is sold by.
    return tuple(row for row in PRESETS if row[0] <= 1.05 * gigabytes) or PRESETS[:1]
