"""The journal: what a stage was asked, what it measured and how it ended, one JSON line an event.

It is the record; MLflow is filled from it (`synthcohort.tracking.publish`). Events:

- start: stage, time, pid, settings, inputs (path → sha256), environment, digest
- metric: time, images (progress), values (name → number)
- result: time, values (name → number or text): the stage's final figures
- figure: time, path (relative to the results folder's parent as given)
- end: time, status ("finished" or "failed"), error
"""

import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Mapping
from importlib.metadata import distributions
from pathlib import Path
from types import TracebackType
from typing import Any

from synthcohort.files import digest, told_when_full


class Journal:
    """Appends a stage's events to `path`; a context manager that records how the stage ended.

    A second run with the same settings and inputs goes on in the same file (a resume); any other
    begins the file anew. `path=None` writes nothing.
    """

    def __init__(
        self,
        path: Path | None,
        stage: str,
        settings: Mapping[str, Any],
        inputs: Mapping[str, str] | None = None,
    ) -> None:
        self._path = None if path is None else Path(path)
        self._start = {
            "event": "start",
            "stage": stage,
            "settings": dict(settings),
            "inputs": dict(inputs or {}),
            "digest": digest([stage, settings, inputs or {}]),
        }

    def __enter__(self) -> "Journal":
        if self._path is not None:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            if not self._same_run():
                self._path.unlink(missing_ok=True)
        self._write(self._start | {"pid": os.getpid(), "environment": environment()})
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None
    ) -> None:
        if error is None:
            self._write({"event": "end", "status": "finished", "error": ""})
        else:
            self._write({"event": "end", "status": "failed", "error": f"{kind.__name__}: {error}"})

    def metric(self, images: int, **values: float) -> None:
        """Measured values at `images` images of progress."""
        self._write({"event": "metric", "images": images, "values": values})

    def result(self, **values: float | str) -> None:
        """The stage's final figures."""
        self._write({"event": "result", "values": values})

    def figure(self, path: Path) -> None:
        """A figure the stage has drawn."""
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
        line = json.dumps({"time": round(time.time(), 3), **event}, ensure_ascii=False)
        with told_when_full(self._path), self._path.open("a", encoding="utf-8") as file:
            file.write(line + "\n")


def environment() -> dict[str, Any]:
    """Python, platform, git revision and the versions of the installed packages."""
    return {
        "python": sys.version.split()[0],
        "platform": platform.platform(),
        "git": _git_revision(),
        "slurm_job": os.environ.get("SLURM_JOB_ID", ""),
        "packages": {d.name: d.version for d in distributions()},
    }


def _git_revision() -> str:
    try:
        describe = ["git", "describe", "--always", "--dirty", "--abbrev=12"]
        return subprocess.run(
            describe, capture_output=True, text=True, check=True, cwd=Path(__file__).parent
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return ""
