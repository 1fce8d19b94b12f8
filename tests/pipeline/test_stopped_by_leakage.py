"""A run that stops at images that two patients share leaves what one is told to look at."""

import csv

import numpy as np
from PIL import Image
from tiny import TINY, configured, snakemake

RESULTS = "results/tiny"


def test_what_is_shared_can_be_looked_at_where_the_run_has_stopped(tmp_path, quick):
    coarse = np.random.default_rng(0).integers(0, 255, (24, 9, 9), "u1")
    coarse[12:] = coarse[:12]  # every picture under two patients' names
    for i, grey in enumerate(coarse):
        path = tmp_path / f"images/p{i:02d}.png"
        path.parent.mkdir(exist_ok=True)
        Image.fromarray(grey).resize((32, 32), Image.Resampling.BICUBIC).save(path)
    source = {
        "kind": "folder",
        "root": str(tmp_path / "images"),
        "expression": r"(?P<patient>p\d+)",
    }
    config = ["--configfile", configured(tmp_path, source=source)]
    stopped = snakemake(tmp_path, f"{RESULTS}/cohort/split.csv", *config, **quick)
    assert stopped.returncode != 0 and "leakage: patients in two splits" in stopped.stdout
    with (tmp_path / RESULTS / "cohort/near_duplicates.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == 12 and all(row["same_bytes"] == "yes" for row in rows)
    for name in ("cohort/near_duplicates.csv", "figures/near-duplicates.png"):
        assert f"{RESULTS}/{name}" in stopped.stdout
        assert (tmp_path / RESULTS / name).stat().st_size > 100
    assert not (tmp_path / RESULTS / "cohort/split.csv").exists()

    joined = configured(tmp_path, source=source, split=TINY["split"] | {"near_duplicates": "join"})
    done = snakemake(tmp_path, f"{RESULTS}/cohort/split.csv", "--configfile", joined, **quick)
    assert done.returncode == 0, done.stdout[-4000:]
