"""The encode stage: cache every image's latent, and measure what the autoencoder loses."""

import time
from pathlib import Path

import numpy as np
import torch

from synthcohort.cohort import Cohort, blocks, open_cohort
from synthcohort.files import atomic_directory, atomic_file, write_json
from synthcohort.hardware import Hardware
from synthcohort.latents import reconstruction
from synthcohort.models import load_autoencoder
from synthcohort.models.pixels import from_model, to_model
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

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
    arrays: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Write `out`/mean.npy and std.npy (N×c×h×w float32, in manifest order, not normalised), and
    PSNR and SSIM of the validation images (test images where there is no validation split) as
    `measured` (JSON); for the figure, a few of them in `arrays` (npz): images and reconstructions,
    both n×C×H×W in the cohort's dtype."""
    began = time.perf_counter()
    device = hardware.open()
    data = open_cohort(cohort, split)
    model = load_autoencoder(autoencoder).to(device)
    with atomic_directory(out) as folder:
        _write_latents(model, data, folder, device)
    rows = data.of("val") if len(data.of("val")) else data.of("test")
    made = np.concatenate([reconstruct(model, data.images[b], device) for b in blocks(rows)])
    result = reconstruction.measure(
        data.images[rows], made, data.patients[rows], derive(seed, "encode")
    )
    write_json(measured, result | {"seed": seed, "seconds": round(time.perf_counter() - began, 1)})
    random = np.random.default_rng(derive(seed, "encode", "figure"))
    shown = random.permutation(len(rows))[:SHOWN]
    with atomic_file(arrays) as temporary:
        np.savez(temporary, images=data.images[rows[shown]], reconstructions=made[shown])
    journal.result(psnr=result["value"], ssim=result["details"]["ssim"]["value"])


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
