"""The journal: what a stage was asked, what it measured and how it ended, one JSON line an event.

It is the record; MLflow is filled from it (`synthcohort.tracking.publish`). Events:

- start: stage, time, pid, settings, inputs (path → sha256), environment, digest
- metric: time, images (progress), values (name → number; "nan", "inf" or "-inf" where not finite)
- result: time, values (name → number or text): the stage's final figures
- hardware: time, values (name → text): what the stage runs on, as found once it is running
- figure: time, path (relative to the results folder's parent as given)
- end: time, status ("finished" or "failed"), error
"""

import json
import math
import os
import platform
import re
import subprocess
import sys
import time
from collections.abc import Mapping
from contextlib import suppress
from importlib.metadata import distributions
from pathlib import Path
from types import TracebackType
from typing import Any

from synthcohort.errors import Refused, UserError
from synthcohort.files import atomic_file, digest, told_when_full
from synthcohort.hardware.variables import cores_here


class Journal:
    """Appends a stage's events to `path`; a context manager that records how the stage ended.

    A second run with the same settings and inputs goes on in the same file (a resume); any other
    begins the file anew, unless it is refused: then it is told after what was there before.
    `path=None` writes nothing.
    """

    def __init__(
        self,
        path: Path | None,
        stage: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        self._path = None if path is None else Path(path)
        self._before = None if path is None else Path(path).with_suffix(".before")
        self._start = {
            "event": "start",
            "stage": stage,
            "settings": dict(settings),
            "inputs": dict(inputs or {}),
            "digest": digest([stage, settings, inputs or {}]),
        }

    def __enter__(self) -> "Journal":
        if self._path is None:
            return self
        self._path.parent.mkdir(parents=True, exist_ok=True)
        if self._same_run():
            _cut_torn_line(self._path)
        else:
            with suppress(FileNotFoundError):
                self._path.replace(self._before)
        self._write(self._start | {"pid": os.getpid(), "environment": environment()})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self._write({"event": "end", "status": "finished", "error": ""})
        else:
            # On a full disk the error is that; one that was there before is to be told instead.
            with suppress(UserError):
                told = f"{kind.__name__}: {getattr(error, 'recorded', error)}"
                self._write({"event": "end", "status": "failed", "error": told})
        if self._path is None or not self._before.exists():
            return
        if isinstance(error, Refused):
            with atomic_file(self._path) as joined:
                joined.write_bytes(self._before.read_bytes() + self._path.read_bytes())
        self._before.unlink()

    def metric(self, images: int, **values: float) -> None:
        """Measured values at `images` images of progress; NumPy and tensor scalars will do."""
        values = {name: _number(value) for name, value in values.items()}
        self._write({"event": "metric", "images": int(images), "values": values})

    def result(self, **values: float | str) -> None:
        """The stage's final figures."""
        values = {
            name: value if isinstance(value, str) else _number(value)
            for name, value in values.items()
        }
        self._write({"event": "result", "values": values})

    def hardware(self, **values: str) -> None:
        """What the stage runs on, beside what the environment tells."""
        self._write({"event": "hardware", "values": values})

    def figure(self, path: Path) -> None:
        """A figure the stage has drawn, or another file of its to look at."""
        self._write({"event": "figure", "path": str(path)})

    def _same_run(self) -> bool:
        try:
            with self._path.open(encoding="utf-8") as file:
                return json.loads(file.readline())["digest"] == self._start["digest"]
        except (FileNotFoundError, ValueError, KeyError):
            return False

    def _write(self, event: Mapping[str, Any]) -> None:
        if self._path is None:
            return
        line = json.dumps(
            {"time": round(time.time(), 3), **event}, ensure_ascii=False, allow_nan=False
        )
        with told_when_full(self._path):
            _append(self._path, line.encode() + b"\n")


def read_journal(path: Path) -> list[dict[str, Any]]:
    """The events of a journal in order; a last line cut off by a kill is left out.

    Raises:
        UserError: there is no such file, or a whole line is not an event.
    """
    try:
        lines = Path(path).read_bytes().split(b"\n")
    except FileNotFoundError:
        raise UserError(f"{path}: there is no such journal; run the stage that writes it") from None
    events = []
    for number, line in enumerate(lines[:-1], start=1):
        try:
            event = json.loads(line)
            event["time"], event["event"]
        except (ValueError, KeyError, TypeError):
            raise UserError(
                f"{path}, line {number}: expected a journal event (a JSON object with time and "
                "event). Something else has written to the file: remove the line, or the file and "
                "run the stage again."
            ) from None
        events.append(event)
    return events


def _append(path: Path, line: bytes) -> None:
    """The whole line or nothing of it, so that what is written next begins a line."""
    file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o666)
    try:
        before = os.fstat(file).st_size
        try:
            written = 0
            while written < len(line):
                written += os.write(file, line[written:])
        except OSError:
            os.ftruncate(file, before)
            raise
    finally:
        os.close(file)


def _cut_torn_line(path: Path) -> None:
    # Whatever follows the last newline was being written at a kill.
    with path.open("rb+") as file:
        file.truncate(file.read().rfind(b"\n") + 1)


def _number(value: Any) -> float | str:
    # JSON has no number that is not finite.
    number = float(value)
    return number if math.isfinite(number) else str(number)


def environment() -> dict[str, Any]:
    """Python, platform, hardware, git revision and the versions of the installed packages."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "node": platform.node(),
        **_hardware(),
        "git": git_revision(),
        "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
        "slurm_restart": os.environ.get("SLURM_RESTART_COUNT", ""),
        "packages": {d.name: d.version for d in distributions()},
    }


def _hardware() -> dict[str, str]:
    """Processor, cores this process may use, and GPUs, as the kernel tells; "" where it doesn't."""
    cpu = re.search(r"^model name\s*:\s*(.+)$", _told(Path("/proc/cpuinfo")), re.MULTILINE)
    drivers = sorted(Path("/proc/driver/nvidia/gpus").glob("*/information"))
    gpus = [re.search(r"^Model:\s*(.+)$", _told(path), re.MULTILINE) for path in drivers]
    return {
        "cpu": cpu[1].strip() if cpu else platform.processor(),
        "cores": str(cores_here() or ""),
        "gpu": ", ".join(gpu[1].strip() for gpu in gpus if gpu),
    }


def _told(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""


def git_revision() -> str:
    """The revision of this code, "-dirty" behind it where it was changed; "" outside git."""
    # Only where git keeps this very file: an installed package may lie inside another repository.
    here = Path(__file__)
    try:
        _git(here, "ls-files", "--error-unmatch", here.name)
        return _git(here, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*")
    except (OSError, subprocess.CalledProcessError):
        return ""


def _git(here: Path, *arguments: str) -> str:
    return subprocess.run(
        ["git", *arguments], capture_output=True, text=True, check=True, cwd=here.parent
    ).stdout.strip()
