"""Several processes that take turns, so that what else the machine does meets all of them alike."""

import os
import signal
import subprocess
import time
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import suppress

SLICE = 10.0
"""Seconds of a turn."""
PATIENCE = 0.1
"""Seconds after which a process is asked again to stop: one that has only begun may not listen."""


def take_turns(
    starts: Mapping[str, Callable[[], subprocess.Popen]], turn: float = SLICE, at_once: int = 1
) -> dict[str, subprocess.Popen]:
    """Let `at_once` of them work for `turn` seconds, then the next, until all have ended, and
    return them.

    Each is started in its first turn, and has to heed SIGTSTP (`contract`). All are ended if this
    is interrupted.
    """
    processes: dict[str, subprocess.Popen] = {}
    waiting = deque(starts)
    try:
        while waiting:
            now = [waiting.popleft() for _ in range(min(at_once, len(waiting)))]
            for name in now:
                if name in processes:
                    processes[name].send_signal(signal.SIGCONT)
                else:
                    processes[name] = starts[name]()
            over = time.monotonic() + turn
            for name in now:
                with suppress(subprocess.TimeoutExpired):
                    processes[name].wait(max(over - time.monotonic(), 0))
            for name in now:
                _pause(processes[name])
            waiting.extend(name for name in now if processes[name].poll() is None)
    finally:
        for process in processes.values():
            if process.poll() is None:
                process.kill()
                process.wait()
    return processes


def _pause(process: subprocess.Popen) -> None:
    """Return when the process has stopped or ended."""
    asked = 0.0
    seen = os.WSTOPPED | os.WEXITED | os.WNOHANG | os.WNOWAIT
    while process.poll() is None and os.waitid(os.P_PID, process.pid, seen) is None:
        if time.monotonic() - asked > PATIENCE:
            process.send_signal(signal.SIGTSTP)
            asked = time.monotonic()
        time.sleep(0.02)
