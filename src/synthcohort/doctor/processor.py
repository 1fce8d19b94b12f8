"""Checks of the GPU, or of the CPU that takes its place."""

from collections.abc import Iterator

import torch

from synthcohort.doctor.finding import Finding
from synthcohort.errors import UserError
from synthcohort.hardware import Hardware, gpu, precision
from synthcohort.hardware.compiling import REMEDY, obstacle
from synthcohort.hardware.peak import matmul_peak


def driver(hardware: Hardware) -> Finding:
    """Whether torch can use the GPU that is there."""
    seen, version = gpu.look(), gpu.driver_version()
    torches = f"torch {torch.__version__}" + (
        f" for CUDA {torch.version.cuda}" if torch.version.cuda else " for the CPU alone"
    )
    if hardware.device == "cpu":
        return Finding("driver", "ok", f"{torches}; the CPU was asked for")
    if seen.devices:
        return Finding("driver", "ok", f"{version or 'not NVIDIA'}, {torches}")
    if sign := gpu.signs() if hardware.device == "auto" else f"--device {hardware.device}":
        trouble = gpu.unusable(sign, complaint=seen.complaint)
        return Finding("driver", "bad", trouble.why, trouble.remedy)
    return Finding(
        "driver",
        "warn",
        f"no GPU here, {torches}: every stage run here takes the CPU",
        "nothing for the demo, or where jobs run on other nodes; the networks of a real cohort "
        "want a GPU",
    )


def cards(hardware: Hardware) -> Iterator[Finding]:
    """Every GPU, and whether this torch is built for it."""
    for number in range(_gpus(hardware)):
        card = torch.device("cuda", number)
        if trouble := gpu.too_old(card):
            yield Finding(str(card), "bad", trouble.why, trouble.remedy)
            continue
        major, minor = torch.cuda.get_device_capability(card)
        memory = torch.cuda.get_device_properties(card).total_memory / 2**30
        told = f"{torch.cuda.get_device_name(card)}, {memory:.0f} GiB, capability {major}.{minor}"
        yield Finding(str(card), "ok", told)


def opened(hardware: Hardware) -> Finding | torch.device:
    """The device that stages would take, or what they would say."""
    try:
        return hardware.open()
    except UserError as error:
        return Finding("device", "bad", str(error))


def compiler(hardware: Hardware, device: torch.device) -> Finding:
    """Whether torch's compiler works, where it would be used."""
    if hardware.compile == "off" or (hardware.compile == "auto" and device.type == "cpu"):
        why = "--compile off" if hardware.compile == "off" else "on a CPU they are not by default"
        return Finding("compiler", "ok", f"networks are not compiled: {why}")
    if told := obstacle(device):
        state = "bad" if hardware.compile == "on" else "warn"
        told = f"networks cannot be compiled, which makes them slower: {told}"
        return Finding("compiler", state, told, REMEDY)
    return Finding("compiler", "ok", f"a toy was compiled for {device}")


def numbers(hardware: Hardware, device: torch.device) -> Finding:
    """Which precision the stages would take."""
    dtype = str(precision.chosen(hardware.precision, device)).removeprefix("torch.")
    if device.type == "cuda" and hardware.precision == "auto" and dtype == "float16":
        return Finding(
            "precision",
            "warn",
            "this GPU has no bf16: float16 where gradients are scaled or there are none, float32 "
            "elsewhere",
            "a GPU of compute capability 8.0 or more is some times faster",
        )
    return Finding("precision", "ok", dtype)


def speed(device: torch.device, seconds: float = 0.5) -> Finding:
    """What the device multiplies in a second, in both precisions."""
    kinds = {"fp32": torch.float32, "bf16": torch.bfloat16}
    told = {name: matmul_peak(device, dtype, seconds) / 1e12 for name, dtype in kinds.items()}
    figures = ", ".join(f"{value:.3g} TFLOP/s in {name}" for name, value in told.items())
    return Finding("speed", "ok", f"matrices: {figures}")


def nccl(hardware: Hardware) -> Finding | None:
    """Whether several GPUs can train together."""
    if not _gpus(hardware):
        return None
    from torch import distributed

    if distributed.is_available() and distributed.is_nccl_available():
        return Finding("NCCL", "ok", ".".join(map(str, torch.cuda.nccl.version())))
    several = _gpus(hardware) > 1
    return Finding(
        "NCCL",
        "bad" if several else "warn",
        "this torch has none, so several GPUs cannot train together",
        "install torch's own build for CUDA (https://pytorch.org/get-started/locally)",
    )


def _gpus(hardware: Hardware) -> int:
    return 0 if hardware.device == "cpu" else gpu.look().devices
