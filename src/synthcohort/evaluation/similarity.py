"""Multi-scale structural similarity of pairs of images (Wang 2003), for small images too."""

import numpy as np

WEIGHTS = (0.0448, 0.2856, 0.3001, 0.2363, 0.1333)  # of the five scales, finest first
WINDOW, SIGMA = 11, 1.5
K1, K2 = 0.01, 0.03


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
