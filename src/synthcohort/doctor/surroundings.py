"""Checks of what is around a run: disk, folders, MLflow, SLURM."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

from synthcohort.doctor.finding import Finding
from synthcohort.errors import UserError

_LEAST = 2**30  # bytes
_ENOUGH = 10 * 2**30


def disk(results: Path, need: int = 0) -> Finding:
    """Whether there is room; `need` bytes are what a system writes at least, 0 is unknown."""
    free = shutil.disk_usage(_existing(results)).free
    told = f"{free / 2**30:.1f} GiB free at {results}"
    if need:
        told += f", this system writes {need / 2**30:.1f} GiB and more"
    remedy = "free some space, or run in a folder on a larger disk"
    if free < max(need, _LEAST):
        return Finding("disk", "bad", told, remedy)
    if free < max(2 * need, _ENOUGH):
        return Finding("disk", "warn", told, remedy)
    return Finding("disk", "ok", told)


def folders(results: Path) -> Iterator[Finding]:
    """Whether what is written during a run can be: results, temporary files, caches."""
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    home = f"set {'XDG_CACHE_HOME' if 'XDG_CACHE_HOME' in os.environ else 'HOME'} to a folder that "
    yield writable("results", results, "bad", "run in a folder that you may write to")
    yield writable("temporary", Path(tempfile.gettempdir()), "bad", "set TMPDIR to another folder")
    yield writable("cache", cache, "warn", home + "can be written to: what is downloaded stays")
    if kept := os.environ.get("TORCHINDUCTOR_CACHE_DIR"):
        remedy = "set TORCHINDUCTOR_CACHE_DIR to a folder that can be written to"
        yield writable("compiled", Path(kept), "bad", remedy)


def writable(what: str, folder: Path, state: str, remedy: str) -> Finding:
    """Whether a file can be made in `folder`, or in what is there of its path; else `state`."""
    try:
        with tempfile.TemporaryFile(dir=_existing(folder)) as file:
            file.write(b"x" * 4096)
    except OSError as error:
        return Finding(what, state, f"{folder} cannot be written to: {error.strerror}", remedy)
    return Finding(what, "ok", f"{folder}")


def _existing(folder: Path) -> Path:
    folder = Path(folder).absolute()
    return next(path for path in (folder, *folder.parents) if path.exists())


def mlflow(results: Path) -> Finding:
    """Whether the store that runs go to can be reached."""
    from synthcohort.tracking.store import database, masked, opened, tracking_uri

    uri = tracking_uri()
    file = database(uri)
    if file is not None and not file.exists():
        remedy = "set MLFLOW_TRACKING_URI to another store"
        found = writable("MLflow", file.parent, "bad", remedy)
        return found if found.state == "bad" else Finding("MLflow", "ok", f"will be made: {file}")
    # A server that is away is told soon.
    for name, value in (("MAX_RETRIES", "0"), ("TIMEOUT", "10")):
        os.environ.setdefault(f"MLFLOW_HTTP_REQUEST_{name}", value)
    try:
        with tempfile.TemporaryDirectory() as folder, opened(uri, Path(folder)) as client:
            client.search_experiments(max_results=1)
    except UserError as error:
        return Finding(
            "MLflow",
            "bad",
            str(error).splitlines()[0],
            "start the server, or unset MLFLOW_TRACKING_URI: runs then go to results/mlflow.db",
        )
    return Finding("MLflow", "ok", masked(uri))


def slurm() -> Finding:
    """Whether SLURM is here, and which of its partitions have GPUs."""
    if shutil.which("sbatch") is None:
        return Finding("SLURM", "ok", "none here: stages run on this machine")
    command = ["sinfo", "--noheader", "--format=%P %G"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=30)
        said, failed = done.stdout, done.stderr.strip() if done.returncode else ""
    except (OSError, subprocess.TimeoutExpired) as error:
        said, failed = "", str(error)
    if failed:
        told = f"sbatch is here, but sinfo says: {failed.splitlines()[0]}"
        return Finding("SLURM", "bad", told, "ask who runs the cluster, or run without SLURM")
    rows = [line.split() for line in said.splitlines() if len(line.split()) == 2]
    with_gpus = sorted({name.rstrip("*") for name, has in rows if "gpu" in has})
    if not with_gpus:
        told = "no partition has a GPU that SLURM knows of"
        remedy = "take `gpu` out of workflow/profiles/slurm, and the networks run on cores"
        return Finding("SLURM", "warn", told, remedy)
    return Finding("SLURM", "ok", f"partitions with GPUs: {', '.join(with_gpus)}")
