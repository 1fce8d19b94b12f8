"""Which device: the GPU where there is one, the CPU where there is none, and an error in between.

A GPU that is there and cannot be used is not passed over: the CPU would take days where the GPU
takes minutes, and nothing would say so.
"""

import os
import re
import warnings
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.errors import UserError

if TYPE_CHECKING:
    import torch

DRIVER = Path("/proc/driver/nvidia/version")
# The oldest driver that runs programs of a CUDA (its major number), by NVIDIA's release notes.
_OLDEST_DRIVER = {11: 450, 12: 525, 13: 580}
HIDDEN = ("", "-1", "NoDevFiles", "none", "void")
"""Values of CUDA_VISIBLE_DEVICES that hide every GPU."""
_SLURM = ("SLURM_JOB_GPUS", "SLURM_STEP_GPUS", "SLURM_GPUS_ON_NODE")
_OLDER = "https://pytorch.org/get-started/previous-versions"
_ON = ", or go on without the GPU: --device cpu (SYNTHCOHORT_DEVICE=cpu)"


@dataclass(frozen=True)
class Seen:
    """What torch sees."""

    devices: int
    """Number of GPUs that it can use."""
    complaint: str = ""
    """What it says where it can use none."""


@dataclass(frozen=True)
class Trouble:
    """Why a GPU cannot be used, and what to do."""

    why: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.why}; {self.remedy}"


def find(asked: str, driver: Path = DRIVER) -> "torch.device":
    """The device for `asked`: auto, cpu, cuda or cuda:<number>.

    Of several processes on a machine (LOCAL_RANK, as torchrun sets it) each gets the GPU of its
    number.

    Raises:
        UserError: a GPU was asked for, or is there by its driver's or SLURM's word,
            and torch cannot use it; there are fewer GPUs than processes.
    """
    import torch

    if asked == "cpu":
        return torch.device("cpu")
    seen = look()
    if not seen.devices:
        sign = f"--device {asked}" if asked != "auto" else signs(driver)
        if not sign:
            return torch.device("cpu")
        raise UserError(str(unusable(sign, driver, seen.complaint)))
    processes = int(os.environ.get("LOCAL_WORLD_SIZE", 1))
    if ":" in asked and processes > 1:
        raise UserError(
            f"--device {asked} with {processes} processes would put all of them on one GPU; give "
            "--device cuda, and each takes its own (CUDA_VISIBLE_DEVICES says which there are)"
        )
    number = int(asked.split(":")[1] if ":" in asked else os.environ.get("LOCAL_RANK", 0))
    if number >= seen.devices:
        wants = f"{processes} processes want a GPU each" if processes > 1 else f"--device {asked}"
        raise UserError(
            f"{wants}, but torch sees {seen.devices} here (cuda:0 to cuda:{seen.devices - 1}); "
            + ("give a smaller --processes" if processes > 1 else "give one of these")
        )
    device = torch.device("cuda", number)
    if trouble := too_old(device):
        raise UserError(str(trouble))
    return device


def look() -> Seen:
    """What torch sees of GPUs, its warning kept rather than printed."""
    import torch

    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        available = torch.cuda.is_available()
    complaint = str(told[0].message).split("(Triggered")[0].strip() if told else ""
    return Seen(torch.cuda.device_count() if available else 0, complaint)


def signs(driver: Path = DRIVER) -> str:
    """By whose word a GPU is there for this process; empty where nobody says so.

    CUDA_VISIBLE_DEVICES has the first word, because it can hide what is there; then SLURM, whose
    jobs without a GPU run on nodes that have some.
    """
    visible = os.environ.get("CUDA_VISIBLE_DEVICES")
    if visible is not None:
        return "" if visible.strip() in HIDDEN else f"CUDA_VISIBLE_DEVICES={visible}"
    if "SLURM_JOB_ID" in os.environ:
        given = {name: os.environ.get(name, "") for name in _SLURM}
        if given["SLURM_GPUS_ON_NODE"] == "0":  # a number; the others are lists, and 0 is a GPU
            del given["SLURM_GPUS_ON_NODE"]
        return next((f"{name}={value}" for name, value in given.items() if value), "")
    return f"the driver in {driver}" if driver_version(driver) else ""


def driver_version(driver: Path = DRIVER) -> str:
    """The version of the NVIDIA driver that is loaded, such as 580.65.06; empty where none is."""
    try:
        text = Path(driver).read_text(encoding="utf-8")
    except OSError:
        return ""
    found = re.search(r"Kernel Module.*?\s(\d+\.\d[\d.]*)", text)
    return found[1] if found else "unknown"


def outdated(version: str, cuda: str | None) -> int:
    """The oldest driver's major number that `cuda` (torch.version.cuda) needs, where the driver
    `version` is older; otherwise 0."""
    needed = _OLDEST_DRIVER.get(int(cuda.split(".")[0]), 0) if cuda else 0
    major = version.split(".")[0]
    return needed if major.isdigit() and int(major) < needed else 0


def unusable(sign: str, driver: Path = DRIVER, complaint: str = "") -> Trouble:
    """Why torch cannot use the GPU that is there by the word of `sign`; `complaint` is torch's."""
    import torch

    version, cuda = driver_version(driver), torch.version.cuda
    built = f"torch {torch.__version__} for CUDA {cuda}"
    if cuda is None:
        why = f"this torch ({torch.__version__}) is built for the CPU alone"
        remedy = "install one for CUDA (https://pytorch.org/get-started/locally)"
    elif not version:
        why = f"no NVIDIA driver is loaded ({driver} is not there)"
        remedy = f"install one, {built} needs it (`nvidia-smi` then shows the GPU)"
    elif needed := outdated(version, cuda):
        why = f"the driver is {version}, and {built} needs {needed} or newer"
        remedy = f"update the driver, install a torch for an older CUDA ({_OLDER})"
    else:
        why = f"the driver is {version}, new enough for {built}"
        remedy = (
            "see whether `nvidia-smi` shows the GPU here (a container has to be given it, with "
            "--gpus all; a job has to ask for it)"
        )
    why += f" (torch says: {complaint})" if complaint else ""
    return Trouble(f"{sign}, but torch cannot use a GPU: {why}", remedy + _ON)


def too_old(device: "torch.device") -> Trouble | None:
    """Why the GPU cannot run this torch's programs, which are built for some kinds of GPU only;
    nothing where it can."""
    import torch

    built = torch.cuda.get_arch_list()
    major, minor = torch.cuda.get_device_capability(device)
    kinds = [re.fullmatch(r"(sm|compute)_(\d+)(\d)([af]?)", name) for name in built]
    kinds = [kind for kind in kinds if kind]
    if not kinds:  # not NVIDIA's
        return None
    for kind in kinds:
        of = (int(kind[2]), int(kind[3]))
        same = of == (major, minor)
        # A program runs on GPUs of its generation that are no older; what is in CUDA's assembler
        # is translated for all later ones.
        later = of[0] == major and of[1] <= minor if kind[1] == "sm" else of <= (major, minor)
        if same or (later and kind[4] != "a"):
            return None
    return Trouble(
        f"{torch.cuda.get_device_name(device)} is of compute capability {major}.{minor}, and torch "
        f"{torch.__version__} is built for {', '.join(built)}",
        f"install a torch that is built for sm_{major}{minor} ({_OLDER}){_ON}",
    )
