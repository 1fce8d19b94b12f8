"""The encode stage: cache every image's latent, and measure what the autoencoder loses."""

import time
from pathlib import Path

import numpy as np
import torch

from synthcohort.cohort import Cohort, blocks, open_cohort
from synthcohort.device import Hardware
from synthcohort.drawing import save
from synthcohort.evaluation.estimation.resampling import (
    CONFIDENCE,
    bootstrap_weights,
    percentile_interval,
)
from synthcohort.files import atomic_directory, write_json
from synthcohort.measures import Measure
from synthcohort.models import load_autoencoder
from synthcohort.models.pixels import from_model, to_model
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

MEASURES = (
    Measure(
        "autoencoder",
        "Autoencoder, PSNR in dB",
        10,
        "fidelity",
        "higher",
        "How well the autoencoder gives back real images of patients it has not seen. What it "
        "loses is lost in every synthetic image.",
    ),
    Measure(
        "autoencoder.ssim",
        "Autoencoder, SSIM",
        20,
        "fidelity",
        "higher",
        "The same as structural similarity; 1 is a perfect copy.",
    ),
)
SHOWN = 8


@torch.inference_mode()
def encode(
    *,
    seed: int,
    cohort: Path,
    split: Path,
    autoencoder: Path,
    out: Path,
    measured: Path,
    figure: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Write `out`/mean.npy and std.npy (N×c×h×w float32, in manifest order, not normalised), and
    PSNR and SSIM of the validation images (test images where there is no validation split)."""
    began = time.perf_counter()
    device = hardware.open()
    data = open_cohort(cohort, split)
    model = load_autoencoder(autoencoder).to(device)
    with atomic_directory(out) as folder:
        _write_latents(model, data, folder, device)
    rows = data.of("val") if len(data.of("val")) else data.of("test")
    made = np.concatenate([reconstruct(model, data.images[b], device) for b in blocks(rows)])
    result = _measure(data.images[rows], made, data.patients[rows], derive(seed, "encode"))
    write_json(measured, result | {"seed": seed, "seconds": round(time.perf_counter() - began, 1)})
    _draw(data.images[rows], made, figure, derive(seed, "encode", "figure"))
    journal.result(psnr=result["value"], ssim=result["details"]["ssim"]["value"])
    journal.figure(figure)


@torch.inference_mode()
def reconstruct(model: torch.nn.Module, images: np.ndarray, device: torch.device) -> np.ndarray:
    """Images through the latent's mean and back, in their own dtype."""
    latents = model.encode(to_model(images).to(device)).latent_dist.mode()
    return from_model(model.decode(latents).sample, images.dtype)


def _write_latents(
    model: torch.nn.Module, data: Cohort, folder: Path, device: torch.device
) -> None:
    mean = std = None
    for block in progress("latents", of=list(blocks(np.arange(len(data.images)))), unit="block"):
        latent = model.encode(to_model(data.images[block]).to(device)).latent_dist
        if mean is None or std is None:
            shape = (len(data.images), *latent.mean.shape[1:])
            mean, std = (
                np.lib.format.open_memmap(folder / name, "w+", np.float32, shape)
                for name in ("mean.npy", "std.npy")
            )
        mean[block] = latent.mean.cpu().numpy()
        std[block] = latent.std.cpu().numpy()


def _measure(images: np.ndarray, made: np.ndarray, patients: np.ndarray, seed: int) -> dict:
    from skimage.metrics import peak_signal_noise_ratio, structural_similarity

    top = np.iinfo(images.dtype).max
    with np.errstate(divide="ignore"):  # of an image given back without any error; see below
        psnr = [
            peak_signal_noise_ratio(a, b, data_range=top) for a, b in zip(images, made, strict=True)
        ]
    ssim = [
        structural_similarity(a, b, data_range=top, channel_axis=0)
        for a, b in zip(images, made, strict=True)
    ]
    # An image given back without any error has an infinite PSNR, which JSON and means cannot hold.
    values = {
        "psnr": np.minimum(np.array(psnr), 10 * np.log10(top**2 * images[0].size)),
        "ssim": np.array(ssim),
    }
    weights = bootstrap_weights(patients, derive(seed, "bootstrap"))
    intervals = {
        name: percentile_interval(weights @ value / weights.sum(1))
        for name, value in values.items()
    }
    return {
        "metric": "autoencoder",
        "value": float(values["psnr"].mean()),
        "interval": intervals["psnr"],
        "confidence": CONFIDENCE,
        "interval_method": "bootstrap over patients, percentiles",
        "n": {"images": len(images), "patients": len(set(patients))},
        "unit": "dB (PSNR)",
        "details": {"ssim": {"value": float(values["ssim"].mean()), "interval": intervals["ssim"]}},
    }


def _draw(images: np.ndarray, made: np.ndarray, out: Path, seed: int) -> None:
    from matplotlib.figure import Figure

    chosen = np.random.default_rng(seed).permutation(len(images))[:SHOWN]
    figure = Figure(figsize=(1.1 * len(chosen) + 0.6, 3.6), layout="constrained")
    top = np.iinfo(images.dtype).max
    panels = figure.subplots(3, len(chosen), squeeze=False)
    for column, i in zip(panels.T, chosen, strict=True):
        real, back = images[i] / top, made[i] / top
        rows = (real, back, 0.5 + (back - real) * 2)
        for axes, pixels in zip(column, rows, strict=True):
            axes.imshow(pixels.transpose(1, 2, 0).clip(0, 1), cmap="gray", vmin=0, vmax=1)
            axes.set(xticks=[], yticks=[])
    for axes, name in zip(panels[:, 0], ("real", "reconstructed", "difference ×2"), strict=True):
        axes.set_ylabel(name, fontsize=8)
    save(figure, out)
