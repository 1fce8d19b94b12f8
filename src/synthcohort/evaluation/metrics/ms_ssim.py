"""Diversity: how alike are two synthetic images of one label (MS-SSIM; Odena 2017, section 4.2)?

A model that repeats itself makes images more alike than two patients are.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set
from synthcohort.evaluation.shared_figures import draw_within
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.seeds import derive

EXTRACTOR = None
JOB = "images"
MEASURES = (
    Measure(
        "ms_ssim",
        "MS-SSIM within a label (diversity)",
        130,
        "diversity",
        "near",
        "Mean similarity of pairs of synthetic images of one label; above its floor the images "
        "repeat each other, below it they are noise.",
        span=1.0,
    ),
)
CAPTION = """\
Structural similarity at several scales (MS-SSIM, Wang 2003) of random pairs of synthetic images of
one label, beside that of pairs of real test images of one label and two patients, and of such pairs
of real train images after one way through the autoencoder. Below: the most alike synthetic pairs
drawn.

A mean above the real images' means that the synthetic images repeat themselves, or that they are
smoother; above that of images that have gone through the autoencoder, it is more than the smoothing
of the autoencoder. Small images have room for fewer than the five scales, so figures of
different image sizes cannot be compared.
"""
PAIRS = 500
SHOWN = 8
WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, finest first
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The mean over at most 500 random pairs of two patients and one label within the synthetic
    set; the floor is the same within real test, "decoded" within train images that have gone
    through the autoencoder."""
    sets = material.sets
    # Real patients decide: where no label has two of them, pairs are of any labels.
    alike = bool(len(drawn_pairs(sets["test"], 0, True)[0]))
    found, similar, pairs, drawn = {}, {}, {}, {}
    for name in [name for name in ("test", "synthetic", "decoded") if name in sets]:
        own = derive(seed, "evaluation", "ms_ssim", name)
        first, second = pairs[name] = drawn_pairs(sets[name], own, alike)
        similar[name] = ms_ssim(sets[name].images[first], sets[name].images[second])
        # A pair counts as often as both its patients were drawn.
        weights = bootstrap_weights(sets[name].patients, derive(own, "bootstrap"))
        weights = (weights[:, first] * weights[:, second]).astype(np.float64)
        total = weights.sum(1)
        drawn[name] = weights @ similar[name] / np.where(total > 0, total, np.nan)
        found[name] = {
            "value": float(similar[name].mean()),
            "interval": percentile_interval(drawn[name]),
        }
    images = sets["synthetic"].images
    most = np.argsort(-similar["synthetic"], kind="stable")[:SHOWN]
    result = found["synthetic"] | {
        "extractor": "none, pixels",
        "layer": None,
        "interval_method": "bootstrap over patients (real) and images (synthetic), percentiles; "
        "the generative model is not trained again",
        "n": {name: len(sets[name].images) for name in ("test", "synthetic")},
        "details": {
            "scales": scales(*images.shape[-2:]),
            "pairs": {name: len(values) for name, values in similar.items()},
            "pairs_of_one_label": alike,
        },
    }
    for name, key in (("test", "floor"), ("decoded", "decoded")):
        if name in found:
            result[key] = found[name]
            result[f"difference_to_{key}"] = {
                "value": result["value"] - found[name]["value"],
                "interval": percentile_interval(drawn["synthetic"] - drawn[name]),
            }
    return result, similar | {"pairs": images[np.stack(pairs["synthetic"], axis=1)[most]]}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The similarities, and the most alike pairs."""
    draw_within(path, result, arrays, "MS-SSIM of two images of one label (1: equal)")


def drawn_pairs(part: Set, seed: int, alike: bool) -> tuple[np.ndarray, np.ndarray]:
    """The rows of at most 500 random pairs of two patients, of one label where `alike`."""
    random = np.random.default_rng(seed)
    classes = part.classes if alike else np.zeros_like(part.classes)
    order = np.argsort(classes, kind="stable")
    _, start, count = np.unique(classes[order], return_index=True, return_counts=True)
    label = np.unique(classes, return_inverse=True)[1]
    first = random.integers(len(classes), size=20 * PAIRS)
    of = label[first]
    second = order[start[of] + random.integers(count[of])]
    different = np.flatnonzero(part.patients[first] != part.patients[second])[:PAIRS]
    return first[different], second[different]


def scales(height: int, width: int) -> int:
    """How many of the five scales have room for the window; at least one."""
    return max(1, sum(min(height, width) >> i >= WINDOW for i in range(len(WEIGHTS))))


def ms_ssim(first: np.ndarray, second: np.ndarray) -> np.ndarray:
    """n float64 of two n×C×H×W uint8 or uint16 arrays, the mean over channels: 1 for equal images.

    Five scales need 176 pixels a side; smaller images have as many as the window of 11×11 fits
    (`scales`), with the weights of those, scaled to sum to 1, and images of less than 11 pixels a
    window of their own size. Luminance counts at the last scale only (Wang 2003, eq. 7); a negative
    structure term counts as 0, because it has no real power.
    """
    height, width = first.shape[-2:]
    count = scales(height, width)
    weights = np.array(WEIGHTS[:count]) / sum(WEIGHTS[:count])
    most = np.iinfo(first.dtype).max
    a, b = (images.astype(np.float32) / most for images in (first, second))
    product = 1.0
    for scale, weight in enumerate(weights):
        if scale:
            a, b = _halved(a), _halved(b)
        luminance, structure = _terms(a, b)
        last = scale == count - 1
        mean = (luminance * structure if last else structure).mean((2, 3), dtype=np.float64)
        product = product * np.maximum(mean, 0) ** weight
    return product.mean(1)


def _terms(a: np.ndarray, b: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """The luminance and the contrast-structure term at every place where the window fits."""
    mean_a, mean_b = _smoothed(a), _smoothed(b)
    variances = _smoothed(a * a + b * b) - mean_a**2 - mean_b**2
    covariance = _smoothed(a * b) - mean_a * mean_b
    c1, c2 = K1**2, K2**2
    luminance = (2 * mean_a * mean_b + c1) / (mean_a**2 + mean_b**2 + c1)
    return luminance, (2 * covariance + c2) / (variances + c2)


def _smoothed(images: np.ndarray) -> np.ndarray:
    """The mean under the Gaussian window, where it lies within the image."""
    from scipy.ndimage import correlate1d

    for axis in (2, 3):
        side = min(WINDOW, images.shape[axis] - 1 + images.shape[axis] % 2)
        place = np.arange(side) - side // 2
        window = np.exp(-(place**2) / (2 * SIGMA**2))
        images = correlate1d(images, window / window.sum(), axis=axis)
        images = images.take(range(side // 2, images.shape[axis] - side // 2), axis=axis)
    return images


def _halved(images: np.ndarray) -> np.ndarray:
    """The mean of every 2×2 pixels; an odd last row or column is left out."""
    n, c, height, width = images.shape
    even = images[:, :, : height // 2 * 2, : width // 2 * 2]
    return even.reshape(n, c, height // 2, 2, width // 2, 2).mean((3, 5))
