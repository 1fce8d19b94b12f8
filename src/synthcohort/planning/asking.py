"""The arguments of `synthcohort plan`; what it needs is imported when it runs."""

import argparse
import os
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.errors import UserError
from synthcohort.hardware.variables import before_torch

if TYPE_CHECKING:
    from synthcohort.hardware import Hardware

_MOST_MINUTES = 366 * 24 * 60


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All but those on hardware."""
    parser.description = (
        "Measure this machine on a prepared cohort for half a minute (some minutes where images "
        "are large), and print the sections autoencoder, diffusion and sampling with which the "
        "stages from the autoencoder to the samples take the time given, and what to expect of "
        "them."
    )
    replaced = "a system; what it has of these sections is replaced"
    parser.add_argument("--configfile", type=Path, required=True, help=replaced)
    length = parser.add_mutually_exclusive_group(required=True)
    length.add_argument("--minutes", type=float, help="on this machine")
    length.add_argument("--gpu-hours", type=float, metavar="HOURS", help="on this machine's GPU")
    beside = "a new file, for snakemake --configfile SYSTEM FILE; otherwise it is printed"
    parser.add_argument("--write", type=Path, metavar="FILE", help=beside)
    parser.add_argument("--results", type=Path, default=Path("results"), help="their folder")


def run(given: argparse.Namespace, hardware: "Hardware") -> None:
    """Print the plan, or write it and print its comments.

    Raises:
        UserError: as `planner.planned`; the time is none or above a year; the file to write is
            there already, or cannot be written.
    """
    on_gpu = given.gpu_hours is not None
    minutes = 60 * given.gpu_hours if on_gpu else given.minutes
    if not 0 < minutes <= _MOST_MINUTES:
        option = "--gpu-hours" if on_gpu else "--minutes"
        raise UserError(f"{option}: expected a time above 0 and of a year at most")
    if given.write:
        _require_writable(given.write)
    before_torch()
    from synthcohort.files import atomic_file
    from synthcohort.planning.planner import planned

    text = planned(given.configfile, given.results, 60 * minutes, hardware, on_gpu)
    if not given.write:
        print(text, end="")
        return
    with atomic_file(given.write) as temporary:
        temporary.write_text(text, encoding="utf-8")
    print(text[: text.index("\n\n")])
    print(f"{given.write}: written, for --configfile {given.configfile} {given.write}")


def _require_writable(path: Path) -> None:
    """Before half a minute's measuring, in place of after it."""
    if path.is_dir():  # "" is the current folder
        raise UserError(f"--write: {path} is a folder; name a new file, such as my-plan.yaml")
    if path.exists():
        raise UserError(f"{path}: is there already, and a plan is made once; name a new one")
    nearest = next(folder for folder in path.absolute().parents if folder.exists())
    if not nearest.is_dir() or not os.access(nearest, os.W_OK):
        why = "cannot be written to" if nearest.is_dir() else "is a file, not a folder"
        raise UserError(f"--write: {path}: {nearest} {why}; name a file elsewhere")
