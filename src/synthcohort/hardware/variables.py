"""What the environment says of the hardware, and what it has to say before torch is imported.

An option that is not on a command line has the value of its variable: SYNTHCOHORT_DEVICE,
SYNTHCOHORT_PRECISION, SYNTHCOHORT_COMPILE, SYNTHCOHORT_MICRO_BATCH, SYNTHCOHORT_DETERMINISTIC. Jobs
inherit them from the shell that Snakemake was started in, on SLURM too.
"""

import hashlib
import os
import platform
from pathlib import Path

COMPILED = "SYNTHCOHORT_COMPILED"
"""The variable with the folder for compiled networks, which the workflow sets."""
_ALLOCATOR = ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF")


def variable(option: str) -> str:
    """The variable of an option: SYNTHCOHORT_MICRO_BATCH of micro_batch."""
    return f"SYNTHCOHORT_{option.upper()}"


def preferred(option: str, otherwise: str) -> str:
    """The value of an option that the command line does not give."""
    return os.environ.get(variable(option)) or otherwise


def cores_here() -> int | None:
    """How many cores this process may use; None where the system does not tell."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count()


def training_threads(cores: int | None, beside: int = 0) -> int:
    """Of a training: as many cores as there are, at most 8, but for those left to what runs
    `beside` it; as if there were enough where nobody knows how many there are."""
    return max(1, min(8, (cores or 8 + beside) - beside))


def before_torch() -> None:
    """Set what torch reads when it is imported; what the user has set stays.

    Segments of GPU memory that can grow keep a training from running out of memory that is free
    but in pieces. Compiled networks are kept where the workflow says, for one kind of CPU each: the
    code is compiled for the CPU it is compiled on.
    """
    if not any(name in os.environ for name in _ALLOCATOR):
        os.environ[_ALLOCATOR[0]] = "expandable_segments:True"
    if os.environ.get(COMPILED):
        folder = Path(os.environ[COMPILED]).absolute() / _kind_of_cpu()
        os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", str(folder))


def _kind_of_cpu(told: Path = Path("/proc/cpuinfo")) -> str:
    lines = told.read_text(encoding="utf-8").splitlines() if told.exists() else []
    # Its instructions; the rest of the file differs from moment to moment.
    flags = next((line for line in lines if line.lower().startswith(("flags", "features"))), "")
    return f"{platform.machine()}-{hashlib.sha256(flags.encode()).hexdigest()[:8]}"
