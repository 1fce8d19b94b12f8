"""Whole runs of the workflow on a tiny simulated cohort, shared by the tests that look at them."""

from pathlib import Path

import pytest
from tiny import REPOSITORY, TINY, configured, run, snakemake

__all__ = ["REPOSITORY", "TINY", "configured", "run", "snakemake"]


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> Path:
    """The results folder of a whole run."""
    folder = tmp_path_factory.mktemp("finished")
    done = snakemake(folder, "--configfile", configured(folder))
    assert done.returncode == 0, done.stdout[-4000:]
    (folder / "output.txt").write_text(done.stdout)
    return folder
