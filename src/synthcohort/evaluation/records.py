"""What a measurement leaves: <metric>.json, the result, and <metric>.npz, what its figure needs
beside it."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from synthcohort.errors import UserError
from synthcohort.files import atomic_file, read_json, write_json


def write_record(path: Path, result: Mapping[str, Any], arrays: Mapping[str, np.ndarray]) -> None:
    """Write `path` (<metric>.json) and, beside it, the npz with `arrays`, be there any or not."""
    # First, so that what has a result has all.
    with atomic_file(path.with_suffix(".npz")) as temporary:
        np.savez(temporary, **arrays)
    write_json(path, result)


def read_record(path: Path) -> tuple[dict[str, Any], dict[str, np.ndarray]]:
    """The result in `path` (<metric>.json) and the arrays beside it.

    Raises:
        UserError: the npz is absent.
    """
    beside = Path(path).with_suffix(".npz")
    if not beside.is_file():
        raise UserError(
            f"{beside}: there is no such file, so the figure of {path} cannot be drawn; measure it "
            "again"
        )
    with np.load(beside, allow_pickle=False) as file:
        return read_json(path), {name: file[name] for name in file.files}
