"""What the autoencoder loses: PSNR and SSIM of real images that have gone through it."""

import numpy as np

from synthcohort.measures import Measure
from synthcohort.numerics.resampling import CONFIDENCE, bootstrap_weights, percentile_interval
from synthcohort.seeds import derive

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


def measure(images: np.ndarray, made: np.ndarray, patients: np.ndarray, seed: int) -> dict:
    """The result "autoencoder": PSNR, and SSIM in its details, of N×C×H×W uint8 or uint16 `images`
    and what the autoencoder has `made` of them; N `patients` are the unit of the intervals."""
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
