"""The example of a new source in CONTRIBUTING.md, put where a contributor would put it."""

import compileall
import csv
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import yaml
from scipy.ndimage import gaussian_filter
from tiny import REPOSITORY, TINY, snakemake

RANGE = (-1000, 400)


@pytest.fixture(scope="module")
def blocks() -> dict[str, str]:
    """The example's source (python) and configuration (yaml)."""
    text = (REPOSITORY / "CONTRIBUTING.md").read_text(encoding="utf-8")
    section = re.search(r"^## A new source of images\n.*?(?=^## )", text, re.DOTALL | re.M)[0]
    return dict(re.findall(r"```(python|yaml)\n(.*?)```", section, re.DOTALL))


@pytest.fixture(scope="module")
def copied(blocks, tmp_path_factory) -> Path:
    """A copy of the package with the example's source, whose bytecode is compiled once."""
    package = tmp_path_factory.mktemp("src") / "synthcohort"
    shutil.copytree(
        REPOSITORY / "src/synthcohort", package, ignore=shutil.ignore_patterns("__pycache__")
    )
    (package / "sources/ct_slices.py").write_text(blocks["python"], encoding="utf-8")
    compileall.compile_dir(package, quiet=2)
    return package.parent


@pytest.fixture
def example(blocks, copied, tmp_path) -> dict[str, str]:
    """The environment of the copied package and of the example's slices."""
    # The sizes of the tiny system in place of the example's; its source as it stands there.
    config = yaml.safe_load(blocks["yaml"]) | {k: v for k, v in TINY.items() if k != "source"}
    assert config["source"]["window"] == list(RANGE)
    (tmp_path / "config.yaml").write_text(yaml.safe_dump(config))
    _write_slices(tmp_path / "slices")
    return {"PYTHONPATH": str(copied), "CT_SLICES": str(tmp_path / "slices")}


def _write_slices(folder: Path) -> None:
    """Two slices of each of 24 patients, 32×32 int16, of which nodules are the brighter."""
    folder.mkdir()
    random = np.random.default_rng(0)
    with (folder / "slices.csv").open("w", newline="") as file:
        table = csv.writer(file)
        table.writerow(["file", "patient", "label"])
        for i in range(48):
            label = ("clear", "nodule")[i // 2 % 2]
            smooth = gaussian_filter(random.normal(size=(32, 32)), 2)
            slice_ = -600 + 300 * (label == "nodule") + 400 * smooth / smooth.std()
            np.save(folder / f"slice-{i:02d}.npy", slice_.astype(np.int16))
            table.writerow([f"slice-{i:02d}.npy", f"patient-{i // 2:02d}", label])


def test_the_example_of_a_new_source_is_read_and_split(tmp_path, example):
    """What comes after knows the cohort and not its source."""
    split = "results/tiny/cohort/split.csv"
    done = snakemake(tmp_path, split, "--configfile", str(tmp_path / "config.yaml"), **example)
    assert done.returncode == 0, done.stdout[-4000:]
    images = np.load(tmp_path / "results/tiny/cohort/images.npy", allow_pickle=False)
    given = np.load(tmp_path / "slices/slice-05.npy").astype(float)  # int16 would overflow
    expected = np.rint(255 * (given.clip(*RANGE) - RANGE[0]) / (RANGE[1] - RANGE[0]))
    np.testing.assert_array_equal(images[5, 0], expected)
    with (tmp_path / "results/tiny/cohort/manifest.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 48 and {row["label"] for row in rows} == {"clear", "nodule"}
    with (tmp_path / split).open(newline="") as file:
        assert {row["split"] for row in csv.DictReader(file)} == {"train", "val", "test"}


@pytest.mark.parametrize(
    ("fault", "told"),
    [
        ("gone.npy", "cannot be read as a .npy array"),
        ("slice-00.npy,,clear", "has no patient; fill it in"),
    ],
)
def test_the_example_tells_faults_as_the_other_sources_do(tmp_path, example, fault, told):
    with (tmp_path / "slices/slices.csv").open("a") as file:
        file.write(fault + ("" if "," in fault else ",patient-99,clear") + "\n")
    cohort = "results/tiny/cohort/images.npy"
    failed = snakemake(tmp_path, cohort, "--configfile", str(tmp_path / "config.yaml"), **example)
    assert failed.returncode != 0 and told in failed.stdout
    assert "Traceback (most recent call last)" not in failed.stdout
