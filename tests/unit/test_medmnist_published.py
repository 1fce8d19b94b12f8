"""MedMNIST's files against the checksums that are published of them."""

import hashlib
from pathlib import Path

import numpy as np
import pytest

from synthcohort import sources
from synthcohort.errors import UserError
from synthcohort.sources import medmnist


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A file of MedMNIST's name and layout with other images."""
    made = {}
    for split, count in (("train", 4), ("val", 2), ("test", 3)):
        made[f"{split}_images"] = np.arange(count * 64, dtype=np.uint8).reshape(count, 8, 8)
        made[f"{split}_labels"] = np.arange(count, dtype=np.uint8)[:, None] % 2
    np.savez_compressed(tmp_path / "pneumoniamnist.npz", **made)
    return tmp_path / "pneumoniamnist.npz"


def altered(path: Path) -> dict[str, str]:
    """What the settings say of it."""
    return {path.name: f"md5:{hashlib.md5(path.read_bytes()).hexdigest()}"}


@pytest.mark.parametrize("fetched", [True, False])
def test_a_file_that_is_not_the_published_one_is_refused(path, fetched):
    source = medmnist.Source(flag="pneumoniamnist", root=None if fetched else path.parent)
    with pytest.raises(UserError) as error:
        list(medmnist.read(source, path.parent if fetched else None))
    message = str(error.value)
    assert "pneumoniamnist.npz (md5:28209eda62fecd6e6a2d98b1501bb15f, here md5:" in message
    (line,) = altered(path).items()
    assert message.endswith("source:\n    altered:\n      {}: {}".format(*line))


def test_an_altered_file_is_accepted_by_its_checksum_alone_and_told(path, monkeypatch):
    def read_with(accepted: dict[str, str]) -> list:
        source = medmnist.Source(flag="pneumoniamnist", root=path.parent, altered=accepted)
        return list(medmnist.read(source, None))

    right = altered(path)
    assert len(read_with(right)) == 9
    terms = sources.terms(medmnist.Source(flag="pneumoniamnist", altered=right))
    assert f"altered by somebody since it was published, in the files {path.name} (md5:" in (
        terms.source
    )
    assert terms.note == "They are those of the set as it was published."
    with pytest.raises(UserError, match="has another checksum"):
        read_with({path.name: f"md5:{'0' * 32}"})
    with pytest.raises(UserError, match=r"source\.altered: chestmnist\.npz.* take the name out"):
        read_with({"chestmnist.npz": right[path.name]})
    info = {**medmnist._info("pneumoniamnist"), "MD5": right[path.name].removeprefix("md5:")}
    monkeypatch.setattr(medmnist, "_info", lambda flag: info)
    assert len(read_with({})) == 9
    with pytest.raises(UserError, match=r"altered: pneumoniamnist\.npz.* take the name out"):
        read_with(right)
