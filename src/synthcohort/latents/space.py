"""The space the audit measures in: the autoencoder's mean latents.

The autoencoder blurs, and every synthetic image has been through its decoder. Two blurred images
are nearer to each other than two sharp ones, so distances between pixels would take blur for
memorisation. Here every image that is judged, real or synthetic, has been decoded exactly once and
encoded again. A train image stands among the references twice, as it is and decoded once: a copy
of the image and a copy of its latent are both found at distance 0.
"""

from collections.abc import Callable, Iterable
from pathlib import Path

import numpy as np

from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import Fitting, block_of
from synthcohort.progress import progress

BATCH = 64


class Space:
    """Turns images and latents into memory-mapped vectors of D = c·h·w float32.

    Each latent channel is divided by its standard deviation over the train images. The networks
    run in float32, without TF32 on a GPU: both would blur the small distances that matter here.
    """

    def __init__(
        self,
        autoencoder: Path,
        latents: np.ndarray,
        train: np.ndarray,
        dtype: np.dtype,
        work: Path,
        hardware: Hardware,
    ) -> None:
        """`latents` are the mean latents of all images (N×c×h×w), `train` the rows of the train
        images, `dtype` that of the images (what is decoded is rounded to it, as samples are);
        the vectors go to files in `work`."""
        from synthcohort.models import load_autoencoder, reduction_of

        self._latents = latents
        self._scale = 1 / np.maximum(_channel_std(latents, train), 1e-12)
        self._dtype = dtype
        self._work = work
        self._device = hardware.exact().open()
        self._model = load_autoencoder(autoencoder).to(self._device)
        hardware.prepare(self._model, pays=False)
        sides = (reduction_of(self._model) * side for side in latents.shape[2:])
        self._fitting = Fitting(block_of(*sides, hardware.micro_batch), "latents of the audit")
        pixels = type(self._model).__name__ == "IdentityAutoencoder"
        self.compares = "the pixels" if pixels else "the autoencoder's mean latents"
        """What the vectors are, in words."""

    def undecoded(self, rows: np.ndarray, name: str) -> np.ndarray:
        """n×D: the vectors of the images `rows` as they are; the network has nothing to do."""
        vectors = self._open(name, len(rows))
        for start in range(0, len(rows), BATCH):
            part = rows[start : start + BATCH]
            vectors[start : start + len(part)] = self._vector(self._latents[part])
        return vectors

    def real(self, rows: np.ndarray, name: str) -> tuple[np.ndarray, np.ndarray]:
        """2n×D: the vectors of the images `rows`, then those of the same images decoded once; and
        n×C×H×W: those decoded images in the cohort's dtype, memory-mapped as well."""
        n = len(rows)
        vectors, pixels = self._open(name, 2 * n), None
        with progress(f"Latents of {name}", n) as bar:
            for start in range(0, n, BATCH):
                raw = self._latents[rows[start : start + BATCH]]
                place = slice(start, start + len(raw))
                vectors[place] = self._vector(raw)
                decoded = self._decode(raw)
                vectors[n:][place] = self._vector(self._encode(decoded))
                if pixels is None:
                    path = self._work / f"{name}-decoded.npy"
                    shape = (n, *decoded.shape[1:])
                    pixels = np.lib.format.open_memmap(path, "w+", self._dtype, shape)
                pixels[place] = decoded
                bar.update(len(raw))
        return vectors, pixels

    def synthetic(
        self, blocks: Iterable[np.ndarray], count: int, name: str = "synthetic"
    ) -> np.ndarray:
        """count×D: the vectors of images that come as blocks of n×C×H×W uint8 or uint16."""
        vectors = self._open(name, count)
        place = 0
        with progress(f"Latents of {name}", count) as bar:
            for block in blocks:
                for start in range(0, len(block), BATCH):
                    images = block[start : start + BATCH]
                    vectors[place : place + len(images)] = self._vector(self._encode(images))
                    place += len(images)
                    bar.update(len(images))
        return vectors

    def through(self, images: np.ndarray, noise: float = 0.0, seed: int = 0) -> np.ndarray:
        """n×C×H×W uint8 or uint16, encoded and decoded once; between, Gaussian `noise` of so many
        standard deviations of each channel is added to the latents."""
        latents = self._encode(images)
        if noise:
            random = np.random.default_rng(seed)
            drawn = random.standard_normal(latents.shape, dtype=np.float32)
            latents = latents + noise * drawn / self._scale
        return self._decode(latents)

    def _open(self, name: str, count: int) -> np.memmap:
        shape = (count, int(np.prod(self._latents.shape[1:])))
        path = self._work / f"{name}.npy"
        return np.lib.format.open_memmap(path, "w+", np.float32, shape)

    def _vector(self, latents: np.ndarray) -> np.ndarray:
        return (latents * self._scale).reshape(len(latents), -1)

    def _encode(self, images: np.ndarray) -> np.ndarray:
        import torch

        from synthcohort.models.pixels import to_model

        def encoded(place: slice) -> np.ndarray:
            block = to_model(images[place]).to(self._device)
            return self._model.encode(block).latent_dist.mode().float().cpu().numpy()

        with torch.inference_mode():
            return self._in_blocks(len(images), encoded)

    def _decode(self, latents: np.ndarray) -> np.ndarray:
        import torch

        from synthcohort.models.pixels import from_model

        def decoded(place: slice) -> np.ndarray:
            block = torch.from_numpy(latents[place]).to(self._device)
            return from_model(self._model.decode(block).sample, self._dtype)

        with torch.inference_mode():
            return self._in_blocks(len(latents), decoded)

    def _in_blocks(self, count: int, call: Callable[[slice], np.ndarray]) -> np.ndarray:
        return np.concatenate([made for _, made in self._fitting.blocks(count, call)])


def _channel_std(latents: np.ndarray, rows: np.ndarray) -> np.ndarray:
    """c×1×1 float32: the standard deviation of each channel over `rows` and all positions."""
    total = np.zeros((2, latents.shape[1]))
    for start in range(0, len(rows), 1024):
        block = latents[rows[start : start + 1024]].astype(np.float64)
        total += block.sum((0, 2, 3)), (block**2).sum((0, 2, 3))
    mean, square = total / (len(rows) * latents.shape[2] * latents.shape[3])
    return np.sqrt(np.maximum(square - mean**2, 0)).astype(np.float32)[:, None, None]
