"""A machine with or without GPUs, as torch, the driver and SLURM tell of it; none is needed."""

import warnings
from pathlib import Path

import pytest
import torch

from synthcohort.hardware import compiling, gpu, telling

WHEEL = ["sm_75", "sm_80", "sm_86", "sm_90", "sm_100", "sm_120"]
OPEN_DRIVER = "NVRM version: NVIDIA UNIX Open Kernel Module for x86_64  {}  Release Build  (x@y)\n"
DRIVER = "NVRM version: NVIDIA UNIX x86_64 Kernel Module  {}  Tue Jun  6 18:58:34 UTC 2023\n"
VARIABLES = ("CUDA_VISIBLE_DEVICES", "SLURM_JOB_ID", "SLURM_JOB_GPUS", "SLURM_STEP_GPUS")
VARIABLES += ("SLURM_GPUS_ON_NODE", "LOCAL_RANK", "LOCAL_WORLD_SIZE")
OPTIONS = ("DEVICE", "PRECISION", "COMPILE", "MICRO_BATCH", "DETERMINISTIC", "COMPILED")


class Machine:
    """Says to torch and to this package what there is."""

    def __init__(self, patch: pytest.MonkeyPatch, folder: Path) -> None:
        self.patch, self.driver = patch, folder / "version"
        for name in VARIABLES + tuple(f"SYNTHCOHORT_{option}" for option in OPTIONS):
            patch.delenv(name, raising=False)
        patch.setattr(gpu.find, "__defaults__", (self.driver,))
        patch.setattr(gpu.signs, "__defaults__", (self.driver,))
        patch.setattr(gpu.driver_version, "__defaults__", (self.driver,))
        patch.setattr(gpu.unusable, "__defaults__", (self.driver, ""))
        patch.setattr(torch.version, "cuda", "13.2")
        patch.setattr(telling, "_said", set())
        compiling._obstacle.cache_clear()
        self.gpus(0)

    def gpus(self, count: int, capability: tuple[int, int] = (9, 0), name: str = "H100") -> None:
        cuda = torch.cuda
        self.patch.setattr(cuda, "is_available", lambda: count > 0)
        self.patch.setattr(cuda, "device_count", lambda: count)
        self.patch.setattr(cuda, "get_device_capability", lambda device=None: capability)
        self.patch.setattr(cuda, "get_device_name", lambda device=None: name)
        self.patch.setattr(cuda, "get_arch_list", lambda: WHEEL)
        self.patch.setattr(cuda, "is_bf16_supported", lambda *_, **__: capability >= (8, 0))

    def complains(self, text: str) -> None:
        """torch finds no GPU and warns of the reason."""

        def available() -> bool:
            warnings.warn(f"{text} (Triggered internally at CUDAFunctions.cpp:119.)", stacklevel=1)
            return False

        self.patch.setattr(torch.cuda, "is_available", available)

    def has_driver(self, version: str, text: str = DRIVER) -> None:
        self.driver.write_text(text.format(version))

    def says(self, **variables: str) -> None:
        for name, value in variables.items():
            self.patch.setenv(name, value)


@pytest.fixture
def machine(monkeypatch, tmp_path) -> Machine:
    """One without a GPU, a driver or SLURM; what a test turns on ends with it."""
    matmul, convolution = torch.backends.cuda.matmul, torch.backends.cudnn.conv
    before = matmul.fp32_precision, convolution.fp32_precision
    yield Machine(monkeypatch, tmp_path)
    matmul.fp32_precision, convolution.fp32_precision = before
    torch.use_deterministic_algorithms(False)
