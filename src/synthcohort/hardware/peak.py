"""How fast a device can be at best, and what a network asks of it.

A share of the peak tells more than a driver's utilisation, which is near 100 % for any kernel.
"""

import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from synthcohort.hardware.precision import wait

if TYPE_CHECKING:
    import torch

_SIDE = {"cpu": 1024, "cuda": 8192}
TRAINING = 3
"""A training step in forward passes: the backward pass is two (Kaplan 2020)."""


def matmul_peak(device: "torch.device", dtype: "torch.dtype", seconds: float = 1.0) -> float:
    """FLOP/s of large matrix multiplications in `dtype`, the best of what `seconds` allow.

    In float32 on CUDA it is that of TensorFloat-32 where that is allowed (`precision`).
    """
    import torch

    side = _SIDE[device.type]
    a, b = (torch.ones(side, side, device=device, dtype=dtype) for _ in range(2))
    out = torch.empty_like(a)
    torch.mm(a, b, out=out)
    wait(device)
    best, end = float("inf"), time.perf_counter() + seconds
    while best == float("inf") or time.perf_counter() < end:
        began = time.perf_counter()
        torch.mm(a, b, out=out)
        wait(device)
        best = min(best, time.perf_counter() - began)
    return 2 * side**3 / best


def flops(call: Callable[[], object]) -> int:
    """FLOPs of the matrix multiplications, convolutions and attention in `call`, a forward pass.

    Compiled networks run eagerly for it. On the meta device it takes no memory and little time.
    """
    import torch
    from torch.utils.flop_counter import FlopCounterMode

    with (
        torch.no_grad(),
        torch.compiler.set_stance("force_eager"),
        FlopCounterMode(display=False) as counter,
    ):
        call()
    return counter.get_total_flops()


def share_of_peak(flops_per_image: float, images_per_second: float, peak: float) -> float:
    """The share (0 to 1) of the peak FLOP/s, over all devices together, that the images take."""
    return flops_per_image * images_per_second / peak


def most_memory(device: "torch.device") -> dict[str, float]:
    """`gpu_memory_allocated_peak_mib`: the most that tensors have taken of the GPU since the last
    call, MiB; nothing on a CPU."""
    if device.type != "cuda":
        return {}
    import torch

    most = torch.cuda.max_memory_allocated(device) / 2**20
    torch.cuda.reset_peak_memory_stats(device)
    return {"gpu_memory_allocated_peak_mib": most}
