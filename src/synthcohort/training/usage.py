"""What a training makes of its GPU, as the driver tells it."""

import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch

_EVERY = 5.0  # seconds
_ASKED = {
    "utilization.gpu": "gpu_utilisation_percent",
    "memory.used": "gpu_memory_mib",
    "power.draw": "gpu_power_watts",
}


@contextmanager
def watched(device: "torch.device") -> Iterator[Callable[[], dict[str, float]]]:
    """Watch the GPU `device` while the block runs, which gets a function that tells of it.

    The function returns the means of utilisation (%), memory in use (MiB) and power (W) since its
    last call, and `gpu_energy_wh`, the energy since then. It returns only what the driver tells;
    nothing without a GPU, or where nvidia-smi, which comes with the driver, is absent.
    """
    if device.type != "cuda":
        yield dict
        return
    import torch

    number = str(torch.cuda.get_device_properties(device).uuid)
    with told_by_driver(number if number.startswith("GPU-") else f"GPU-{number}") as tell:
        yield tell


@contextmanager
def told_by_driver(gpu: str) -> Iterator[Callable[[], dict[str, float]]]:
    """What nvidia-smi says of the GPU with the UUID `gpu`, as `watched` gives it."""
    command = [
        *("nvidia-smi", "-i", gpu, f"--query-gpu={','.join(_ASKED)}"),
        *("--format=csv,noheader,nounits", f"--loop-ms={_EVERY * 1000:.0f}"),
    ]
    try:
        driver = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True
        )
    except OSError:
        yield dict
        return
    seen: dict[str, list[float]] = {}
    guard = threading.Lock()

    def listen() -> None:
        for line in driver.stdout:
            # A card that does not tell one of them has "[N/A]" in its place.
            for name, value in zip(_ASKED.values(), line.split(","), strict=False):
                with guard, suppress(ValueError):
                    number = float(value)
                    seen.setdefault(name, []).append(number)

    def tell() -> dict[str, float]:
        with guard:
            means = {name: sum(values) / len(values) for name, values in seen.items()}
            if power := seen.get("gpu_power_watts"):
                means["gpu_energy_wh"] = sum(power) * _EVERY / 3600
            seen.clear()
        return means

    listener = threading.Thread(target=listen, daemon=True)
    listener.start()
    try:
        yield tell
    finally:
        driver.kill()
        driver.wait()
        listener.join()
        driver.stdout.close()
