"""Several processes that take turns, so that what else the machine does meets all of them alike."""

import os
import signal
import subprocess
import time
from collections.abc import Mapping

SLICE = 10.0
"""Seconds of a turn."""
PATIENCE = 0.1
"""Seconds after which a process is asked again to stop: one that has only begun may not listen."""


def take_turns(processes: Mapping[str, subprocess.Popen], turn: float = SLICE) -> None:
    """Let one after the other work for `turn` seconds until all have ended; they have to heed
    SIGTSTP (`contract`). All are ended if this is interrupted."""
    try:
        for process in processes.values():
            _pause(process)
        while running := [p for p in processes.values() if p.poll() is None]:
            for process in running:
                process.send_signal(signal.SIGCONT)
                try:
                    process.wait(turn if len(running) > 1 else None)
                except subprocess.TimeoutExpired:
                    _pause(process)
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()


def _pause(process: subprocess.Popen) -> None:
    """Return when the process has stopped or ended."""
    asked = 0.0
    seen = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    while process.poll() is None and os.waitid(os.P_PID, process.pid, seen) is None:
        if time.monotonic() - asked > PATIENCE:
            process.send_signal(signal.SIGTSTP)
            asked = time.monotonic()
        time.sleep(0.02)
