"""The hardware a stage runs on: chosen on the command line, never in the configuration."""

import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synthcohort.errors import UserError

if TYPE_CHECKING:
    import torch
    from torch import nn


@dataclass(frozen=True)
class Hardware:
    """What the command line asked for; "auto" takes the best there is."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:<number>."""
    precision: str = "auto"
    """auto, fp32 or bf16; auto is bf16 where the hardware multiplies it natively."""
    threads: int = 0
    """CPU threads; 0 leaves the choice to torch."""
    compile: str = "auto"
    """auto, on or off: whether networks go through torch.compile; auto is on with CUDA."""
    micro_batch: int = 0
    """Images a process takes through a network at once in a training; 0: its whole share of the
    batch. Gradients add up, so the result is that of the whole batch."""
    time_budget: float = 0
    """Minutes after which a training must have stopped; 0: none."""
    checkpoint_minutes: float = 10
    """Minutes between two checkpoints of a training, beside those that its settings ask for."""
    began: float = field(default_factory=time.time)
    """When the command began, in seconds since the epoch."""

    def open(self) -> "torch.device":
        """The torch device, with the number of threads set.

        Raises:
            UserError: CUDA was asked for and is not there.
        """
        import torch

        # torchrun starts several processes on a machine: they share its threads, and each takes
        # the GPU of its number.
        if self.threads:
            beside = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
            torch.set_num_threads(max(self.threads // beside, 1))
        if self.device == "auto":
            if not torch.cuda.is_available():
                return torch.device("cpu")
            return torch.device("cuda", int(os.environ.get("LOCAL_RANK", 0)))
        if self.device.startswith("cuda") and not torch.cuda.is_available():
            raise UserError(
                f"--device {self.device}: torch sees no CUDA device here; check nvidia-smi, or "
                "leave --device at auto to run on the CPU"
            )
        return torch.device(self.device)

    def autocast(self) -> "torch.autocast":
        """The autocast context of the chosen precision on the chosen device."""
        import torch

        device = self.open()
        if self.precision == "auto":
            native = (
                torch.cuda.is_bf16_supported(including_emulation=False)
                if device.type == "cuda"
                else _cpu_multiplies_bf16()
            )
        else:
            native = self.precision == "bf16"
        return torch.autocast(device.type, dtype=torch.bfloat16, enabled=native)

    def prepare(self, *networks: "nn.Module") -> None:
        """Lay the networks out and compile them as suits the device, in place.

        Channels last is the faster layout for convolutions on a CPU as well.
        """
        import torch

        cuda = self.open().type == "cuda"
        for network in networks:
            network.to(memory_format=torch.channels_last)
            if self.compile == "on" or (self.compile == "auto" and cuda):
                network.compile()


def _cpu_multiplies_bf16() -> bool:
    import torch

    # torch before 2.10 has no public way to ask.
    if not hasattr(torch.cpu, "get_capabilities"):
        return False
    has = torch.cpu.get_capabilities()
    return bool(has.get("avx512_bf16") or has.get("amx_bf16"))
