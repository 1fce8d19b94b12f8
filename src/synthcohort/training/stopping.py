"""When a training is to stop before it is through: a signal, or the end of its time."""

import os
import signal
import time
from types import FrameType

from synthcohort.errors import UserError

# What is kept back of the time for the step in progress, the checkpoint and the last publication.
_RESERVE = 300.0  # seconds, but at most
_RESERVE_SHARE = 0.1  # of the time there is


class Stopped(UserError):
    """The training was stopped and saved; the same command goes on from there."""


def stopped(images: int, total: int, reason: str) -> Stopped:
    """What a training ends with that is stopped after so many of its images; the command line
    prints it and exits with code 1, as for every UserError."""
    return Stopped(
        f"the training was stopped after {images:,} of {total:,} images: "
        f"{reason or 'another process was told to'}. It is saved; run the same command again and "
        "it goes on from there"
    )


class Stop:
    """Tells when to stop; a context manager that listens to SIGTERM and SIGINT while it is open.

    The time ends `budget` minutes (0: never) after `began`, in seconds since the epoch, and where
    SLURM says that the job ends (its SLURM_JOB_END_TIME); the earlier counts.
    """

    def __init__(self, budget: float, began: float) -> None:
        ends = {}
        if budget:
            ends[began + 60 * budget] = f"its time budget of {budget:g} minutes is nearly over"
        if told := os.environ.get("SLURM_JOB_END_TIME"):
            ends[float(told)] = f"SLURM job {os.environ.get('SLURM_JOB_ID', '')} is nearly over"
        end = min(ends, default=float("inf"))
        self._at = end - min(_RESERVE, _RESERVE_SHARE * max(end - began, 0))
        self._over = ends.get(end, "")
        self._signal = ""

    def __enter__(self) -> "Stop":
        self._former = {
            number: signal.signal(number, self._hear) for number in (signal.SIGTERM, signal.SIGINT)
        }
        return self

    def __exit__(self, *_: object) -> None:
        for number, handler in self._former.items():
            signal.signal(number, handler)

    def reason(self) -> str:
        """Why to stop now, or nothing."""
        if self._signal:
            return f"it was sent {self._signal}"
        return self._over if time.time() >= self._at else ""

    def _hear(self, number: int, _: FrameType | None) -> None:
        # Nothing is printed: the `tee` that reads it may have been ended by the same signal.
        self._signal = signal.Signals(number).name
