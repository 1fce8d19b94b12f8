"""The encode stage: cache every image's latent, and measure what the autoencoder loses."""

import time
from pathlib import Path

import numpy as np
import torch

from synthcohort.cohort import Cohort, open_cohort
from synthcohort.files import atomic_directory, atomic_file, write_json
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import Fitting, block_of
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
        fitting = Fitting(block_of(*data.images.shape[2:], hardware.micro_batch), "encoding")
        _write_latents(model, data, folder, device, fitting)
    rows = data.of("val") if len(data.of("val")) else data.of("test")
    blocks = fitting.blocks(
        len(rows), lambda place: reconstruct(model, data.images[rows[place]], device)
    )
    made = np.concatenate([block for _, block in blocks])
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
    model: torch.nn.Module, data: Cohort, folder: Path, device: torch.device, fitting: Fitting
) -> None:
    def encoded(place: slice) -> tuple[np.ndarray, np.ndarray]:
        latent = model.encode(to_model(data.images[place]).to(device)).latent_dist
        return latent.mean.cpu().numpy(), latent.std.cpu().numpy()

    count, files = len(data.images), None
    with progress("latents", total=count) as bar:
        for place, latent in fitting.blocks(count, encoded):
            if files is None:
                shape = (count, *latent[0].shape[1:])
                files = [
                    np.lib.format.open_memmap(folder / name, "w+", np.float32, shape)
                    for name in ("mean.npy", "std.npy")
                ]
            for file, values in zip(files, latent, strict=True):
                file[place] = values
            bar.update(place.stop - place.start)
