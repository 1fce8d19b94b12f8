"""What the command line asked for, and what a stage makes of it."""

import dataclasses
import os
import re
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from synthcohort.errors import UserError
from synthcohort.hardware import compiling, gpu, precision
from synthcohort.hardware.determinism import deterministic
from synthcohort.hardware.telling import once
from synthcohort.hardware.variables import variable

if TYPE_CHECKING:
    import torch
    from torch import nn

CHOICES = {
    "device": (r"auto|cpu|cuda(:\d+)?", "auto, cpu, cuda or cuda:<number>"),
    "precision": ("auto|fp32|bf16|fp16", "auto, fp32, bf16 or fp16"),
    "compile": ("auto|on|off", "auto, on or off"),
    "deterministic": ("on|off", "on or off"),
}


@dataclass(frozen=True)
class Hardware:
    """What the command line asked for; "auto" takes the best there is."""

    device: str = "auto"
    """auto, cpu, cuda or cuda:<number>."""
    precision: str = "auto"
    """auto, fp32, bf16 or fp16; auto is bf16 on a GPU that multiplies it natively, fp16 on an older
    one where the gradients are scaled, and fp32 on a CPU. With fp32 there is no TF32 either."""
    threads: int = 0
    """CPU threads; 0 leaves the choice to torch."""
    compile: str = "auto"
    """auto, on or off: whether networks go through torch.compile; auto is on with CUDA, where the
    compiler works and there is enough to do."""
    micro_batch: int = 0
    """Most images that a process puts through a network at once; 0: in a training its whole share
    of the batch, elsewhere as many as `memory.block_of` bounds. In a training gradients add up, so
    the result is that of the whole batch within rounding."""
    time_budget: float = 0
    """Minutes after which a training must have stopped; 0: none."""
    checkpoint_minutes: float = 10
    """Minutes between two checkpoints of a training, beside those that its settings ask for."""
    deterministic: str = "off"
    """on or off: whether a GPU gives the same bits again, which is slower."""
    began: float = field(default_factory=time.time)
    """When the command began, in seconds since the epoch."""

    def __post_init__(self) -> None:
        for name, (pattern, allowed) in CHOICES.items():
            value = getattr(self, name)
            if not re.fullmatch(pattern, value):
                raise UserError(
                    f"--{name} (or {variable(name)}): expected {allowed}, got {value!r}"
                )

    def exact(self) -> "Hardware":
        """The same in float32 without TF32: for distances and losses that are to be told apart."""
        return dataclasses.replace(self, precision="fp32")

    def open(self) -> "torch.device":
        """The torch device; threads, TF32 and determinism of the process are set as asked.

        Raises:
            UserError: the device that was asked for, or is there, cannot be used (`gpu.find`).
        """
        import torch

        # torchrun starts several processes on a machine: they share its threads.
        if self.threads:
            beside = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
            torch.set_num_threads(max(self.threads // beside, 1))
        device = gpu.find(self.device)
        if device.type == "cuda":
            precision.allow_tf32(self.precision != "fp32")
        if self.deterministic == "on":
            deterministic()
        return device

    def autocast(self, half: bool = False) -> "torch.autocast":
        """The autocast context of the chosen precision on the chosen device.

        `half` says that float16 is fine: there are no gradients, or `scaler` scales them. Without
        it float32 is taken in its place, and a line says so.
        """
        import torch

        device = self.open()
        dtype = precision.chosen(self.precision, device)
        if dtype == torch.float16 and not half:
            dtype = torch.float32
            once(
                "float32 is used here, which is slower: float16 would lose small gradients"
                + (", and this GPU has no bf16" if self.precision == "auto" else "")
            )
        reduced = dtype != torch.float32
        return torch.autocast(
            device.type, dtype=dtype if reduced else torch.bfloat16, enabled=reduced
        )

    def scaler(self) -> "torch.amp.GradScaler":
        """What scales losses and gradients for `autocast(half=True)`: with float16 it does, with
        any other precision its methods pass everything on as it is."""
        import torch

        device = self.open()
        half = precision.chosen(self.precision, device) == torch.float16
        return torch.amp.GradScaler(device.type, enabled=half)

    def place(self, *networks: "nn.Module") -> None:
        """Move the networks to the device, in place; on a GPU channels last, which is faster there.
        On a CPU their layout stays, and with it every digit of what they give."""
        import torch

        device = self.open()
        for network in networks:
            network.to(device)
            if device.type == "cuda":
                network.to(memory_format=torch.channels_last)

    def prepare(self, *networks: "nn.Module", pays: bool = True) -> None:
        """Lay the networks out and compile them as suits the device, in place.

        Channels last is the faster layout for convolutions on a CPU as well. Where the compiler
        does not work, `auto` goes on without it and says so in a line; where so little is to be
        done that compiling takes longer than it saves (`pays` false), it goes on without it too.

        Raises:
            UserError: `compile` is on, and the compiler does not work.
        """
        import torch

        device = self.open()
        for network in networks:
            network.to(memory_format=torch.channels_last)
        if self.compile == "off" or (
            self.compile == "auto" and (device.type != "cuda" or not pays)
        ):
            return
        if told := compiling.obstacle(device):
            if self.compile == "on":
                raise UserError(
                    f"--compile on: torch's compiler does not work here ({told}); "
                    f"{compiling.REMEDY}, or leave --compile at auto to go on without it"
                )
            once(
                f"Networks are not compiled, which makes them slower: {told}. To have them "
                f"compiled, {compiling.REMEDY}; to go without and without this line, --compile off"
            )
            return
        for network in networks:
            network.compile()
