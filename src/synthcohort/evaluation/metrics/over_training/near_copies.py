"""How near latents come to single train images, measured by how near unseen patients come."""

from collections.abc import Callable

import numpy as np

from synthcohort.evaluation.material import Material
from synthcohort.numerics.manifold import squared_distances
from synthcohort.numerics.resampling import binomial_interval
from synthcohort.seeds import derive

QUANTILE = 0.01
NEIGHBOURS = 20
BLOCK = 256


def near_copies(material: Material, unseen: np.ndarray, seed: int) -> Callable[[np.ndarray], dict]:
    """A function that gives the share of n×c×h×w latents, {"value", "interval"}, that stand out by
    their nearness to one train image as the nearest 1 % of the images `unseen` (rows of the
    manifest) do."""
    folder, cohort = material.models["latents"], material.cohort
    mean, std = (
        np.load(folder / f"{name}.npy", mmap_mode="r", allow_pickle=False)
        for name in ("mean", "std")
    )
    train = cohort.of("train")
    references, patients = mean[train].reshape(len(train), -1), cohort.patients[train]
    # As the denoiser has met real latents: drawn; their means would be nearer to one another.
    random = np.random.default_rng(derive(seed, "unseen"))
    drawn = mean[unseen] + std[unseen] * random.normal(size=(len(unseen), *mean.shape[1:]))
    limit = np.quantile(_ratios(drawn, references, patients), QUANTILE)

    def share(latents: np.ndarray) -> dict:
        found = _ratios(latents, references, patients) <= limit
        interval = binomial_interval(int(found.sum()), len(found), "exact")
        return {"value": float(found.mean()), "interval": interval}

    return share


def _ratios(latents: np.ndarray, references: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """n: the distance to the nearest of the M×D `references` over the mean distance to the 20
    nearest of other `patients` (after Carlini 2023, section 4.2): small for a copy, while an image
    that is near to all, as blurred ones are, has a ratio near 1."""
    ratios = []
    for start in range(0, len(latents), BLOCK):
        block = latents[start : start + BLOCK]
        distance = np.sqrt(squared_distances(block.reshape(len(block), -1), references))
        nearest = distance.argmin(1)
        first = distance[np.arange(len(block)), nearest]
        distance[patients == patients[nearest][:, None]] = np.inf
        k = min(NEIGHBOURS, int(np.isfinite(distance).sum(1).min()))
        others = np.partition(distance, k - 1, axis=1)[:, :k].mean(1)
        ratios.append(first / np.maximum(others, 1e-12))
    return np.concatenate(ratios)
