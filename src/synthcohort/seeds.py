"""Randomness by name: a seed is derived from (seed, stage, …), never carried along."""

import hashlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import torch


def derive(seed: int, *names: str | int) -> int:
    """A 63-bit seed that depends on `seed` and every name; the same on every machine."""
    text = "\x1f".join(map(str, (seed, *names)))
    return int.from_bytes(hashlib.sha256(text.encode()).digest()[:8], "big") >> 1


def torch_generator(seed: int, *names: str | int) -> "torch.Generator":
    """A CPU torch generator at `derive(seed, *names)`."""
    import torch

    return torch.Generator().manual_seed(derive(seed, *names))
