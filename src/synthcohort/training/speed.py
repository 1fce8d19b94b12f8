"""How fast a training is against what its devices could do at best."""

from collections.abc import Callable
from functools import lru_cache

import torch

from synthcohort.hardware.peak import TRAINING, flops, matmul_peak, share_of_peak

_SECONDS = {"cpu": 0.1, "cuda": 0.5}


class Speed:
    """Images a second in FLOP/s and as a share of the peak."""

    def __init__(
        self,
        forward: Callable[[], object],
        device: torch.device,
        dtype: torch.dtype,
        processes: int,
    ) -> None:
        """`forward` puts two images through the network that is trained; the peak is that of matrix
        multiplications in `dtype`, measured now, and each of the `processes` has such a device."""
        self._flops = TRAINING * flops(forward) / 2
        self._peak = processes * _peak(device, dtype)
        self._images, self._seconds = 0, 0.0

    def at(self, images: int, seconds: float) -> dict[str, float]:
        """What it makes of so many images in so many seconds."""
        self._images += images
        self._seconds += seconds
        return self._told(images / seconds)

    def overall(self) -> dict[str, float]:
        """The same of all that `at` was told of, and what an image asks for; nothing where no image
        was trained on."""
        if not self._images:
            return {}
        speed = self._images / self._seconds
        means = {"images_per_second": speed, **self._told(speed)}
        return {f"mean_{name}": value for name, value in means.items()} | {
            "training_gflop_per_image": self._flops / 1e9,
            "peak_tflops": self._peak / 1e12,
        }

    def _told(self, speed: float) -> dict[str, float]:
        return {
            "tflops": self._flops * speed / 1e12,
            "share_of_peak": share_of_peak(self._flops, speed, self._peak),
        }


@lru_cache
def _peak(device: torch.device, dtype: torch.dtype) -> float:
    return matmul_peak(device, dtype, _SECONDS[device.type])
