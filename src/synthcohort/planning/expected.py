"""What a plan can be expected to give: the nearest run that has been measured (docs/recipe.md)."""

from dataclasses import dataclass
from math import log


@dataclass(frozen=True)
class Run:
    """A finished run of the rule's recipe, with seed 0."""

    name: str
    side: int
    train: int
    autoencoder: int
    """Images that its training saw."""
    channels: tuple[int, ...]
    """Of its U-Net."""
    denoiser: int
    fid: tuple[float, float, float]
    """Of synthetic images, of real ones through the autoencoder, the floor."""
    n: int
    membership: float


RUNS = (
    Run("digits", 16, 1_260, 16_000, (64, 96), 18_000, (73.4, 59.3, 55.7), 70, 0.566),
    Run("MNIST", 28, 52_500, 32_000, (96, 128), 30_000, (23.5, 16.9, 11.4), 1_000, 0.504),
    Run("MNIST", 28, 52_500, 576_000, (192, 256), 92_100, (16.3, 12.2, 11.4), 1_000, 0.506),
    Run("chest X-rays", 28, 4_096, 40_000, (96, 128), 36_000, (88.9, 74.1, 34.8), 300, 0.556),
    Run("brain MRI", 48, 3_162, 20_000, (64, 128), 15_000, (72.2, 38.2, 15.8), 128, 0.531),
    Run("chest X-rays", 64, 4_028, 48_000, (64, 128, 192), 44_000, (98.2, 51.6, 35.8), 300, 0.555),
    Run("chest X-rays", 64, 4_028, 182_000, (96, 192, 256), 74_800, (77.1, 43.6, 35.8), 300, 0.573),
    Run(
        "chest X-rays", 64, 4_028, 250_000, (96, 192, 256), 160_000, (71.7, 40.8, 35.8), 300, 0.622
    ),
)


def nearest(size: tuple[int, int], train: int, denoiser: int) -> Run:
    """The run that is nearest in size of images, then in number of train images, then in how many
    images its denoiser saw."""
    side = (size[0] * size[1]) ** 0.5

    def distance(run: Run) -> float:
        cohort = 2 * abs(log(run.side / side)) + abs(log(run.train / train)) / 2
        return cohort + abs(log(run.denoiser / denoiser)) / 16

    return min(RUNS, key=distance)


def by_heart() -> str:
    """Membership against how often every train image was seen, in the cohort that was trained in
    several lengths, in words."""
    runs = [run for run in RUNS if (run.name, run.side) == ("chest X-rays", 64)]
    after = [f"{run.membership} after {run.denoiser / run.train:.0f} times" for run in runs]
    return f"on chest X-rays of 64×64 membership was {', '.join(after)} (0.5 is chance)"


def told(size: tuple[int, int], train: int, autoencoder: int, denoiser: int) -> list[str]:
    """In words, for a plan whose trainings see so many images."""
    run = nearest(size, train, denoiser)
    fid, decoded, floor = run.fid
    return [
        f"Nearest measured run (docs/recipe.md): {run.name}, {run.side}×{run.side}, {run.train:,} "
        f"train images; the autoencoder saw {run.autoencoder:,}, a U-Net "
        f"{'-'.join(map(str, run.channels))} {run.denoiser:,}. FID {fid}, of real images through "
        f"the autoencoder {decoded}, of other real images {floor} (N = {run.n:,}); membership "
        f"{run.membership}. This plan's trainings see {autoencoder / run.autoencoder:.2g} and "
        f"{denoiser / run.denoiser:.2g} times as many. One run each, on other images: an order of "
        "magnitude, no promise."
    ]
