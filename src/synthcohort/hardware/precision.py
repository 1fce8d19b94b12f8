"""In which numbers a device calculates.

float32 on NVIDIA GPUs is TensorFloat-32 (10 bits of mantissa) where it may be: allowed for
trainings, sampling and features, not where `Hardware.exact` was asked or `--precision fp32`.
"""

import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Callable

    import torch


def chosen(asked: str, device: "torch.device") -> "torch.dtype":
    """The type of the multiplications for `asked`: auto, fp32, bf16 or fp16.

    `auto` is bfloat16 on a GPU that multiplies it natively (compute capability 8.0 and up), float16
    on the older ones that this package runs on, and float32 on a CPU: whether bfloat16 is faster
    there depends on the network, and what a clock decides would not come out the same again.
    """
    import torch

    if asked == "auto":
        if device.type != "cuda":
            asked = "fp32"
        elif torch.version.hip or torch.cuda.get_device_capability(device) >= (8, 0):
            asked = "bf16"
        else:
            asked = "fp16"
    return {"fp32": torch.float32, "bf16": torch.bfloat16, "fp16": torch.float16}[asked]


def allow_tf32(allowed: bool) -> None:
    """Whether CUDA may take TensorFloat-32 for float32, in this process from now on."""
    import torch

    kind = "tf32" if allowed else "ieee"
    torch.backends.cuda.matmul.fp32_precision = kind
    torch.backends.cudnn.conv.fp32_precision = kind
    torch.backends.cudnn.rnn.fp32_precision = kind


def speeds(
    call: "Callable[[], torch.Tensor]", device: "torch.device", seconds: float = 0.5
) -> dict[str, float]:
    """How often a second `call` runs forward and backward on `device`, in fp32 and in bf16, each
    measured for `seconds` after a first time.

    `call` gives a tensor with gradients: a network's output on an example.
    """
    import torch

    found = {}
    for name, dtype in (("fp32", torch.float32), ("bf16", torch.bfloat16)):
        with torch.autocast(device.type, dtype=torch.bfloat16, enabled=dtype == torch.bfloat16):
            call().float().mean().backward()
            wait(device)
            count, began = 0, time.perf_counter()
            while (took := time.perf_counter() - began) < seconds or not count:
                call().float().mean().backward()
                wait(device)
                count += 1
        found[name] = count / took
    return found


def wait(device: "torch.device") -> None:
    """Until the device has done what it was given."""
    import torch

    if device.type == "cuda":
        torch.cuda.synchronize(device)
