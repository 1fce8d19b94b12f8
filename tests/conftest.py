"""Whole runs of the workflow on a tiny simulated cohort, shared by the tests that look at them."""

import os
from pathlib import Path

import hypothesis
import pytest
from filelock import FileLock
from tiny import REPOSITORY, TINY, configured, run, snakemake

# No test is about time: on a busy machine an example may take as long as it wants.
hypothesis.settings.register_profile("no clock", deadline=None)
hypothesis.settings.load_profile("no clock")

__all__ = ["REPOSITORY", "TINY", "configured", "run", "snakemake"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The results folder of a whole run; the first of several pytest processes makes it for all."""
    shared = tmp_path_factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        shared = shared.parent
    folder = shared / "finished"
    with FileLock(shared / "finished.lock"):
        if not (folder / "output.txt").exists():
            folder.mkdir(exist_ok=True)
            done = snakemake(folder, "--configfile", configured(folder))
            assert done.returncode == 0, done.stdout[-4000:]
            (folder / "output.txt").write_text(done.stdout)
    return folder
