"""The arguments of `synthcohort generate`; what it needs is imported when it runs."""

import argparse
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.errors import UserError
from synthcohort.hardware.variables import before_torch

if TYPE_CHECKING:
    from synthcohort.hardware import Hardware


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """All but those on hardware."""
    parser.description = (
        "Draw new images from a trained model, into a new folder of PNG files. The same call gives "
        "the same images; the first ones of a larger --n are the same."
    )
    whose = "results/<name>, a model's folder, or models:/<name>@audited in MLflow"
    parser.add_argument("--model", required=True, help=whose)
    parser.add_argument("--label", help="which one, where the model has several")
    parser.add_argument("--n", type=int, required=True, help="how many images")
    parser.add_argument("--seed", type=int, default=0, help="another one, other images")
    scale = "scale of the guidance; otherwise as in the run"
    parser.add_argument("--guidance", type=float, help=scale)
    asked = "where the model has attributes, each of them: age=63 sex=1"
    parser.add_argument("--attributes", nargs="+", default=[], metavar="NAME=NUMBER", help=asked)
    parser.add_argument("--out", type=Path, required=True, help="a new folder")


def run(given: argparse.Namespace, hardware: "Hardware") -> None:
    """Draw the images.

    Raises:
        UserError: as `generation.write`, or attributes of another form than NAME=NUMBER.
    """
    before_torch()
    from synthcohort.generator.generation import write

    write(
        given.model,
        given.out,
        given.label,
        given.n,
        given.seed,
        guidance=given.guidance,
        attributes=_parsed(given.attributes),
        hardware=hardware,
    )


def _parsed(attributes: Sequence[str]) -> dict[str, float]:
    found = {}
    for word in attributes:
        name, _, number = word.rpartition("=")
        try:
            value = float(number)
        except ValueError:
            value = None
        if not name or value is None or name in found:
            raise UserError(f"--attributes: expected NAME=NUMBER, each name once; got {word!r}")
        found[name] = value
    return found
