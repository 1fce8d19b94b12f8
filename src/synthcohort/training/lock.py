"""One job at a time for a training."""

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from synthcohort.errors import UserError

_LEASE = 60.0  # seconds without a sign of life after which a holder on another machine is dead
_PATIENCE = 75.0


@contextmanager
def alone(path: Path) -> Iterator[Callable[[], None]]:
    """Hold the lock file `path` while the block runs, which gets a check that it is still held.

    Shared file systems differ in whether a lock of the operating system reaches the other nodes,
    and in whether a vanished node ever loses it. So the lock is a file that its holder touches
    every 20 s: one that died on this machine is known by its process and replaced at once, one on a
    machine that vanished after a minute of silence, measured on one's own clock.

    Raises:
        UserError: another process holds it, the message says which; from the check, another has
            taken it over, as after a suspension of minutes.
    """
    from filelock import SoftFileLease, Timeout

    path.parent.mkdir(parents=True, exist_ok=True)
    job = path.with_suffix(".job")
    lease = SoftFileLease(path, lease_duration=_LEASE, timeout=_PATIENCE, poll_interval=0.5)
    try:
        lease.acquire()
    except Timeout:
        owner, held = lease.owner, ""
        with suppress(OSError):
            held = job.read_text(encoding="utf-8")
        who = f"process {owner.pid} on {owner.hostname}{held}" if owner else "another process"
        raise UserError(
            f"{path}: this stage is being trained already, by {who}. Wait for it, or end it and "
            "run the same command again: it goes on from the last checkpoint"
        ) from None

    def still_held() -> None:
        if lease.compromise is not None:
            raise UserError(f"{path}: another job has taken this training over; this one stops")

    try:
        number = os.environ.get("SLURM_JOB_ID")
        job.write_text(f", SLURM job {number}" if number else "", encoding="utf-8")
        yield still_held
    finally:
        if lease.compromise is None:
            job.unlink(missing_ok=True)
        lease.release()
