"""The diffusion model trained again with another seed, beside a run that was finished without."""

import json
import shutil
from pathlib import Path

from tiny import configured, snakemake

SPREAD = "results/tiny/evaluation/training_seeds.json"


def test_a_finished_run_is_trained_again_and_its_figures_vary(finished, tmp_path, quick):
    folder = Path(shutil.copytree(finished, tmp_path / "copied"))  # with the times of the files
    config = configured(folder, training_seeds=2)
    done = snakemake(folder, SPREAD, "--configfile", config, **quick)
    assert done.returncode == 0, done.stdout[-4000:]
    assert "3 of 3 steps (100%) done" in done.stdout  # nothing else is made anew
    found = json.loads((folder / SPREAD).read_text())
    for entry in (found, *found["details"].values()):
        low, high = entry["interval"]
        assert low <= entry["value"] <= high and sorted(entry["values"]) == [low, high]
    assert found["n"]["trainings"] == 2 and found["values"][0] != found["values"][1]
    first = json.loads((folder / "results/tiny/evaluation/fid.json").read_text())
    assert found["values"][0] == first["value"]
    assert found["details"].keys() == {"frechet_classifier", "recall", "membership"}
