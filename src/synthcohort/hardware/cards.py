"""GPUs of a command's own: of those that this machine has, some that nobody else has taken.

Snakemake counts GPUs but does not say which; without a choice every process would take the first.
"""

import os
import re
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from filelock import FileLock, Timeout

from synthcohort.errors import UserError
from synthcohort.hardware.gpu import HIDDEN
from synthcohort.hardware.telling import once

DEVICES = Path("/dev")
_held: list[FileLock] = []


def take(count: int, device: str = "auto", devices: Path = DEVICES) -> None:
    """Take `count` GPUs for this process and those it starts, until it ends: CUDA_VISIBLE_DEVICES
    names them from now on. Where too few are free it waits for others to end.

    A lock of the operating system stands for each GPU, so one that was killed leaves none behind.
    It holds among the processes of one user on one machine (in a SLURM job, of that job). Nothing
    is taken where none is wanted, there is none, or `device` is the CPU or one of them by number.
    To be called before torch is imported, which reads the variable once.

    Raises:
        UserError: more are wanted than there are.
    """
    if device not in ("auto", "cuda") or "LOCAL_RANK" in os.environ or _held:
        return
    names = visible(devices)
    if not count or not names:
        return
    if count > len(names):
        raise UserError(
            f"--gpus {count}: there are {len(names)} here ({', '.join(names)}); give a smaller "
            "number (with Snakemake: gpu of the rule, under set-resources in the profile)"
        )
    locks = dict(zip(names, _locks(names), strict=True))
    while len(taken := list(_free(locks, count))) < count:
        for name in taken:
            locks[name].release()
        once(f"Waiting for {count} of the GPUs {', '.join(names)} to be free")
        time.sleep(0.5)
    _held.extend(locks[name] for name in taken)
    os.environ["CUDA_VISIBLE_DEVICES"] = ",".join(taken)


def visible(devices: Path = DEVICES) -> list[str]:
    """The GPUs that this process may use, as CUDA_VISIBLE_DEVICES names them; NVIDIA's only."""
    told = os.environ.get("CUDA_VISIBLE_DEVICES")
    if told is not None:
        return [] if told.strip() in HIDDEN else [name.strip() for name in told.split(",")]
    files = [path for path in devices.glob("nvidia*") if re.fullmatch(r"nvidia\d+", path.name)]
    return [str(number) for number in range(len(files))]


def _locks(names: list[str]) -> list[FileLock]:
    # Not in the results: runs in several folders share a machine, and on a cluster machines share a
    # folder. SLURM may call the GPUs of each of its jobs 0, 1, …
    folder = Path(tempfile.gettempdir()) / f"synthcohort-gpus-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    job = os.environ.get("SLURM_JOB_ID", "machine")
    return [FileLock(folder / f"{job}-{re.sub('[^A-Za-z0-9-]', '_', name)}") for name in names]


def _free(locks: dict[str, FileLock], count: int) -> Iterator[str]:
    for name, lock in locks.items():
        if count == 0:
            return
        try:
            lock.acquire(blocking=False)
        except Timeout:
            continue
        count -= 1
        yield name
