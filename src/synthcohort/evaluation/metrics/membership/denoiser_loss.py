"""The denoiser's loss on single real images."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort.evaluation.material import Material
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.seeds import derive, torch_generator

# Images at once: the more, the faster, while what a layer makes of them fits a CPU's cache.
BATCH, LEAST_BATCH, PLACES = 128, 64, 2**15


def chosen(material: Material, split: str, patients: int, images: int, seed: int) -> np.ndarray:
    """Rows of the manifest: of all patients of a split, or of so many drawn at random, at most so
    many images each, drawn at random; ascending."""
    rows = material.cohort.of(split)
    names, number = np.unique(material.cohort.patients[rows], return_inverse=True)
    random = np.random.default_rng(derive(seed, split))
    taken = random.permutation(len(names))[:patients]
    # Which of its patient's images each is, in random order: 0, 1, …
    shuffled = random.permutation(len(rows))
    order = shuffled[np.argsort(number[shuffled], kind="stable")]
    first = np.searchsorted(number[order], np.arange(len(names)))
    turn = np.empty(len(rows), dtype=np.int64)
    turn[order] = np.arange(len(rows)) - first[number[order]]
    return rows[np.isin(number, taken) & (turn < images)]


def losses(
    material: Material,
    denoiser: Path,
    rows: np.ndarray,
    times: Sequence[float],
    noises: int,
    seed: int,
    hardware: Hardware,
) -> np.ndarray:
    """T×N float64: the loss of the real images `rows` (of the manifest) at each of the T `times`
    (shares of all timesteps): squared error of what the network in the folder `denoiser` is trained
    to predict, told the image's label and attributes; mean over `noises` noises, the same for all
    images and networks. What has been taken before in the same job, of these images and perhaps
    more at these times and perhaps later ones, is not taken again."""
    key = ("losses", denoiser, seed, noises)
    if key not in material.kept or not _covers(material.kept[key], rows, times):
        found = _losses(material, denoiser, rows, times, noises, seed, hardware)
        material.kept[key] = rows, tuple(times), found
    there, _, found = material.kept[key]
    order = np.argsort(there)
    return found[: len(times), order[np.searchsorted(there, rows, sorter=order)]]


def _covers(kept: tuple, rows: np.ndarray, times: Sequence[float]) -> bool:
    there, at, _ = kept
    # The noise is drawn for one time after the other.
    return at[: len(times)] == tuple(times) and bool(np.isin(rows, there).all())


def _losses(
    material: Material,
    denoiser: Path,
    rows: np.ndarray,
    times: Sequence[float],
    noises: int,
    seed: int,
    hardware: Hardware,
) -> np.ndarray:
    import torch

    from synthcohort.diffusion.objective import target
    from synthcohort.diffusion.sampling import load_schedule
    from synthcohort.models import load_denoiser
    from synthcohort.models.condition import predict
    from synthcohort.models.pixels import normalise

    hardware, models = hardware.exact(), material.models
    device = hardware.open()
    network = load_denoiser(denoiser).to(device)
    hardware.prepare(network, pays=False)
    schedule = load_schedule(models["diffusion"])
    schedule.alphas_cumprod = schedule.alphas_cumprod.to(device)
    told = conditions(material, rows)
    latents = np.load(models["latents"] / "mean.npy", mmap_mode="r", allow_pickle=False)
    scale = read_json(models["autoencoder"] / "config.json")
    generator = torch_generator(seed, "noise")
    shape = (noises, *latents.shape[1:])
    # One time after the other: of one large draw, the first part may depend on how large it is.
    noise = [torch.randn(shape, generator=generator).to(device) for _ in times]
    batch = max(LEAST_BATCH, min(BATCH, PLACES // int(np.prod(latents.shape[2:]))))
    steps = schedule.config.num_train_timesteps
    found = np.empty((len(times), len(rows)))
    with torch.inference_mode():
        for start in range(0, len(rows), batch):
            here = slice(start, start + batch)
            clean = normalise(torch.from_numpy(latents[rows[here]]), scale).to(device)
            condition = told[here].to(device)
            for i, share in enumerate(times):
                t = torch.full((len(clean),), min(round(share * steps), steps - 1), device=device)
                error = torch.zeros(len(clean), device=device)
                for one in noise[i]:
                    drawn = one.expand_as(clean)
                    predicted = predict(network, schedule.add_noise(clean, drawn, t), t, condition)
                    wanted = target(schedule, clean, drawn, t)
                    error += (predicted - wanted).square().flatten(1).mean(1)
                found[i, here] = error.cpu().numpy() / noises
    return found


def conditions(material: Material, rows: np.ndarray):
    """N×D float32 tensor: what the denoiser is told of the real images `rows`."""
    from synthcohort.models.condition import describe

    cohort, folder = material.cohort, material.models["diffusion"]
    standard = read_json(folder / "attributes.json")
    return describe(
        cohort.classes[rows],
        len(read_json(folder / "labels.json")["names"]),
        cohort.attributes[rows],
        standard["mean"],
        standard["std"],
    )


def by_patient(values: np.ndarray, patients: np.ndarray) -> np.ndarray:
    """The means of N values over the images of each patient, in the order of their ids."""
    number = np.unique(patients, return_inverse=True)[1]
    return np.bincount(number, values) / np.bincount(number)


def scores(
    loss: np.ndarray, reference: np.ndarray | None, patients: np.ndarray
) -> dict[str, np.ndarray]:
    """T×P by attack: how surely each patient, in the order of their ids, was trained on.

    Takes T×N losses of the images and of a `reference` network, with whose help the attack is
    calibrated; without one there is the plain attack alone.
    """
    scale = loss.mean(1, keepdims=True)  # so that all noise levels count alike
    of_images = {"plain": -loss / scale}
    if reference is not None:
        of_images["calibrated"] = (reference - loss) / scale
    return {
        name: np.stack([by_patient(level, patients) for level in levels])
        for name, levels in of_images.items()
    }
