"""Simple statistics of an image, in the manner of radiomics: they need no weights and have names.

Colours are averaged, grey values taken from 0 to 1. NAMES lists them in the order of the features:

- intensity: mean, standard deviation, skewness and excess kurtosis (0 for an image of one value),
  percentiles, and the entropy in bits of a histogram of 32 equal bins;
- gradient: of the magnitude of central differences (numpy.gradient), in grey values a pixel, the
  mean, standard deviation and percentiles; and log10 of the variance of the Laplacian, the usual
  measure of sharpness;
- spectrum: log10 of the power of the two-dimensional Fourier transform, radially averaged in eight
  bands of equal width from 0 (without the mean itself) to 0.5 cycles a pixel;
- texture: contrast, homogeneity, energy and correlation (1 for an image of one level) of the
  grey-level co-occurrence matrix (Haralick 1973; scikit-image's graycoprops) of 16 levels, of
  neighbours at one pixel's distance, the matrix averaged over the four directions.
"""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.hardware import Hardware

if TYPE_CHECKING:
    import torch

MODELS = ()
AHEAD = False
PERCENTILES = (1, 5, 25, 50, 75, 95, 99)
STEEP = (50, 90, 99)
BINS = 32
BANDS = 8
LEVELS = 16
DIRECTIONS = tuple(np.pi / 4 * np.arange(4))
# Power and variance below that of rounding to 8 bits, 1/12 of a level squared, mean nothing.
LEAST = 1 / 255**2 / 12
NAMES = (
    *(f"intensity {name}" for name in ("mean", "deviation", "skewness", "kurtosis")),
    *(f"intensity {percentile} %" for percentile in PERCENTILES),
    "intensity entropy",
    "gradient mean",
    "gradient deviation",
    *(f"gradient {percentile} %" for percentile in STEEP),
    "sharpness (Laplacian)",
    *(
        f"spectrum {band / 2 / BANDS:.3g} to {(band + 1) / 2 / BANDS:.3g} cycles/pixel"
        for band in range(BANDS)
    ),
    *(f"texture {name}" for name in ("contrast", "homogeneity", "energy", "correlation")),
)

_IN_GREY = ("intensity", "gradient")
_NOT_IN_GREY = ("skewness", "kurtosis", "entropy")
# What is no difference worth the name: a level of 8 bits of what is measured in grey values, and
# 0.01 of the others, whose ranges are of the order of 1 or more.
RESOLUTION = np.array(
    [
        1 / 255 if name.startswith(_IN_GREY) and not name.endswith(_NOT_IN_GREY) else 0.01
        for name in NAMES
    ]
)


def open_extractor(
    settings: Evaluation, seed: int, models: Mapping[str, Path], hardware: Hardware
) -> tuple[str, str, Callable[[np.ndarray], "torch.Tensor"]]:
    """As many features as NAMES; the arguments and what is returned are in the package's
    docstring."""
    import torch

    name = "statistics of intensity, gradient, power spectrum and texture (no network)"
    return name, f"{len(NAMES)} statistics", lambda images: torch.from_numpy(statistics(images))


def statistics(images: np.ndarray) -> np.ndarray:
    """n×len(NAMES) float32 of n×C×H×W uint8 or uint16 images of at least 2×2 pixels."""
    grey = images.mean(1, dtype=np.float64) / np.iinfo(images.dtype).max
    parts = (_intensity(grey), _gradient(grey), _spectrum(grey), _texture(grey))
    return np.concatenate(parts, axis=1).astype(np.float32)


def _intensity(grey: np.ndarray) -> np.ndarray:
    values = grey.reshape(len(grey), -1)
    mean, deviation = values.mean(1), values.std(1)
    # Deviations of rounding alone would give a flat image a shape.
    flat = deviation < 1e-9
    z = (values - mean[:, None]) / np.where(flat, 1, deviation)[:, None]
    skewness, kurtosis = (z**3).mean(1), np.where(flat, 0, (z**4).mean(1) - 3)
    share = _counted(np.minimum(values * BINS, BINS - 1).astype(int), BINS)
    entropy = -(share * np.log2(np.where(share > 0, share, 1))).sum(1)
    percentiles = np.percentile(values, PERCENTILES, axis=1)
    return np.stack([mean, deviation, skewness, kurtosis, *percentiles, entropy], axis=1)


def _gradient(grey: np.ndarray) -> np.ndarray:
    from scipy.ndimage import correlate1d

    down, right = np.gradient(grey, axis=(1, 2))
    steep = np.sqrt(down**2 + right**2).reshape(len(grey), -1)
    edges = sum(correlate1d(grey, [1, -2, 1], axis=axis) for axis in (1, 2))
    sharpness = np.log10(edges.var((1, 2)) + LEAST)
    percentiles = np.percentile(steep, STEEP, axis=1)
    return np.stack([steep.mean(1), steep.std(1), *percentiles, sharpness], axis=1)


def _spectrum(grey: np.ndarray) -> np.ndarray:
    _, height, width = grey.shape
    power = np.abs(np.fft.fft2(grey)) ** 2 / (height * width)
    frequency = np.hypot(np.fft.fftfreq(height)[:, None], np.fft.fftfreq(width)).ravel()
    band = np.ceil(frequency * 2 * BANDS).astype(int) - 1  # the mean's is -1
    inside = [band == number for number in range(BANDS)]
    flat = power.reshape(len(grey), -1)
    # A small image has no frequencies in some bands.
    bands = [flat[:, of].mean(1) if of.any() else np.zeros(len(grey)) for of in inside]
    return np.log10(np.stack(bands, axis=1) + LEAST)


def _texture(grey: np.ndarray) -> np.ndarray:
    from skimage.feature import graycomatrix, graycoprops

    levels = np.minimum(grey * LEVELS, LEVELS - 1).astype(np.uint8)
    matrices = [
        graycomatrix(image, [1], DIRECTIONS, LEVELS, symmetric=True, normed=True).mean((2, 3))
        for image in levels
    ]
    found = np.stack(matrices, axis=-1)[:, :, None]  # images in the place of directions
    properties = ("contrast", "homogeneity", "energy", "correlation")
    return np.stack([graycoprops(found, name)[0] for name in properties], axis=1)


def _counted(numbers: np.ndarray, most: int) -> np.ndarray:
    """n×most: the share of each number below `most` in each row of n×m."""
    n, m = numbers.shape
    rows = numbers + most * np.arange(n)[:, None]
    return np.bincount(rows.ravel(), minlength=n * most).reshape(n, most) / m
