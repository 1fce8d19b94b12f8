"""The fetch stage: a source that downloads or simulates writes its raw cohort to disk."""

from pathlib import Path

from synthcohort import sources
from synthcohort.files import atomic_directory
from synthcohort.seeds import derive
from synthcohort.settings import Settings
from synthcohort.tracking.journal import Journal


def fetch(settings: Settings, *, seed: int, out: Path, journal: Journal) -> None:
    """Fill the folder `out` as the source's `fetch` does; it appears only when it is whole."""
    with atomic_directory(out) as folder:
        sources.module(settings.kind).fetch(settings, folder, derive(seed, "fetch"))
        files = sum(path.is_file() for path in folder.rglob("*"))
    journal.result(files=files)
