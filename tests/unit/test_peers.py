"""The peers' benchmark: turns, the contract of a contestant, the scorer and its table."""

import importlib.util
import json
import os
import subprocess
import sys
import time
from dataclasses import asdict
from functools import partial

import numpy as np
import pytest
from tiny import REPOSITORY

from synthcohort.cohort import Cohort
from synthcohort.config import Evaluation

BENCHMARKS = REPOSITORY / "benchmarks"
sys.path.insert(0, str(BENCHMARKS))
from peers import contract, scoring  # noqa: E402
from peers.table import table  # noqa: E402
from peers.turns import take_turns  # noqa: E402

# Tells when it worked, in time on the wall, and how much of it its own clock has counted.
WORKER = """
import sys, time
from peers.contract import clock
now, began = clock("wall"), time.monotonic()
start, seen = now(), []
while now() - start < 0.5:
    seen.append(time.monotonic())
    time.sleep(0.01)
print(now() - start, *seen)
"""


def task(folder, **changes) -> contract.Task:
    images = np.random.default_rng(0).integers(0, 255, (40, 1, 16, 16), dtype=np.uint8)
    np.savez(folder / "train.npz", images=images, labels=np.arange(40) % 2)
    given = {
        "train": str(folder / "train.npz"),
        "asked": [1, 0, 1],
        "classes": 2,
        "shape": [1, 16, 16],
        "seconds": 0.2,
        "clock": "cpu",
        "evaluations": 2,
        "threads": 1,
        "seed": 0,
        "config": "",
        "results": "",
    }
    return contract.Task(**given | changes)


def start(*arguments: str, **options) -> subprocess.Popen:
    environment = os.environ | {"PYTHONPATH": str(BENCHMARKS)}
    return subprocess.Popen([sys.executable, *arguments], env=environment, **options)


def watched(names: str, **options) -> tuple[list[float], np.ndarray]:
    """What the clocks of workers in turns have counted, and who was seen working, moment after
    moment."""
    worker = partial(start, "-c", WORKER, stdout=subprocess.PIPE, text=True)
    counted, seen = [], []
    for process in take_turns(dict.fromkeys(names, worker), turn=0.3, **options).values():
        assert process.returncode == 0
        first, *moments = map(float, process.stdout.read().split())
        counted.append(first)
        seen.append(np.array(moments))
    owner = np.repeat(np.arange(len(seen)), [len(of) for of in seen])
    return counted, owner[np.argsort(np.concatenate(seen))]


def test_turns_are_taken_one_at_a_time_and_do_not_count_against_a_contestant():
    began = time.monotonic()
    counted, owner = watched("ab")
    whole = time.monotonic() - began
    assert min(counted) >= 0.5
    assert whole >= 1 and sum(counted) <= whole + 0.1
    # Where one works the other does not: whoever begins a turn goes on after the other's last look.
    assert np.count_nonzero(np.diff(owner)) <= 8


def test_two_may_work_at_a_time_and_the_third_waits_meanwhile():
    counted, owner = watched("abc", at_once=2)
    assert min(counted) >= 0.5
    assert np.count_nonzero(np.diff(owner)) > 8
    # All three are seen next to each other only where one turn ends and another begins.
    crowded = [len(set(owner[k : k + 6])) == 3 for k in range(len(owner) - 5)]
    assert np.mean(crowded) < 0.5


def test_a_contestant_that_fails_does_not_stop_the_others():
    one = partial(start, "-c", "raise SystemExit(3)")
    other = partial(start, "-c", WORKER, stdout=subprocess.DEVNULL)
    ended = take_turns({"one": one, "other": other}, turn=0.2)
    assert {name: process.returncode for name, process in ended.items()} == {"one": 3, "other": 0}


def test_a_contestant_hands_in_what_it_was_asked_for(tmp_path):
    (tmp_path / "task.json").write_text(json.dumps(asdict(task(tmp_path))))
    assert start("-m", "peers.notebook", str(tmp_path / "task.json")).wait(600) == 0
    told = json.loads((tmp_path / "told.json").read_text())
    with np.load(tmp_path / "drawn.npz") as drawn:
        assert drawn["images"].shape == (3, 1, 16, 16)
        assert drawn["images"].dtype == np.uint8
        assert drawn["labels"].tolist() == [1, 0, 1]
    assert 0.2 <= told["training"] < 10 and told["sampling"] > 0
    assert set(told["seen"]) == {"autoencoder", "denoiser"} and min(told["seen"].values()) > 0


def test_batches_go_through_all_images_before_one_comes_again(tmp_path):
    given = task(tmp_path)
    images = np.arange(10, dtype=np.uint8).reshape(10, 1, 1, 1)
    batches = contract.batches(given, images, np.arange(10), 4)
    seen = np.concatenate([next(batches)[1].numpy() for _ in range(5)])
    assert sorted(seen[:10]) == sorted(seen[10:]) == list(range(10))


@pytest.fixture
def command():
    spec = importlib.util.spec_from_file_location("peers_command", BENCHMARKS / "peers.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_a_contestant_that_was_killed_is_told_from_one_that_raised(command, monkeypatch, tmp_path):
    lives = {
        "monai_latent": "import os; os.kill(os.getpid(), 9)",
        "ddpm_pytorch": "raise ValueError('no such layer')",
        "notebook": "raise SystemExit(3)",
    }

    def begun(python, name, folder, threads):
        with (folder / "log.txt").open("w") as log:
            return start("-c", lives[name], stderr=log)

    monkeypatch.setattr(command, "python_of", lambda name, folder: sys.executable)
    monkeypatch.setattr(command, "start", begun)
    found = command.compete(task(tmp_path), list(lives), tmp_path, at_once=2)
    assert {name: of["failed"] for name, of in found.items()} == {
        "monai_latent": "ended by SIGKILL, as the system does where memory runs out",
        "ddpm_pytorch": "failed: ValueError: no such layer",
        "notebook": "failed: exit status 3",
    }


@pytest.mark.parametrize("fault", [("--minutes", "-1"), ("--minutes", "nan"), ("--n", "0")])
def test_no_time_and_no_images_are_refused_at_once(command, monkeypatch, capsys, fault):
    monkeypatch.setattr(sys, "argv", ["peers.py", "--data", "mnist", "--minutes", "1", *fault])
    with pytest.raises(SystemExit):
        command.main()
    assert f"argument {fault[0]}: expected" in capsys.readouterr().err


@pytest.fixture
def cohort() -> Cohort:
    split = ["train"] * 120 + ["test"] * 60
    rows = [
        {"patient_id": f"p{i // 3}", "label": "ab"[i % 2], "split": name}
        for i, name in enumerate(split)
    ]
    images = np.random.default_rng(0).integers(0, 255, (180, 1, 8, 8), dtype=np.uint8)
    return Cohort(images, rows)


def test_the_floor_has_as_many_images_of_each_label_as_are_compared(cohort):
    sets = scoring.real_sets(cohort, 30, seed=0)
    assert len(sets["test"].rows) == 30
    assert len(set(sets["test"].patients)) == 10  # whole ones, three images each
    counts = [np.bincount(part.classes).tolist() for part in sets.values()]
    assert counts[0] == counts[1]
    assert set(sets["train"].rows) <= set(cohort.of("train"))


def scores(cohort: Cohort, tmp_path, moved: float) -> dict:
    """Of a contestant whose features are those of real images, moved."""
    sets = scoring.real_sets(cohort, 60, seed=0)
    made = scoring.synthetic(sets["test"], sets["test"].images, sets["test"].classes)
    random = np.random.default_rng(0)
    features = {
        name: {
            extractor: random.normal(place, 1, (60, 4)).astype(np.float32)
            for extractor in scoring.EXTRACTORS
        }
        for name, place in (("test", 0), ("train", 0), ("synthetic", moved))
    }
    return scoring.score(
        Evaluation(),
        seed=0,
        sets=sets | {"synthetic": made},
        features=features,
        label_names=cohort.label_names,
        classifier=tmp_path,
        labelled=False,
    )


def test_ours_is_held_against_the_best_peer_above_the_floor(cohort, tmp_path):
    told = {
        "seen": {"denoiser": 1_200},
        "parameters": 2_500_000,
        "training": 300.4,
        "sampling": 6.0,
    }
    found = {
        name: {"told": told, "scores": scores(cohort, tmp_path, moved)}
        for name, moved in (("ours", 1), ("near", 2), ("far", 4))
    } | {"absent": {"failed": "not installed: no such package"}}
    text = table(found, 60)
    lines = text.splitlines()
    assert all(line.count("|") == lines[0].count("|") for line in lines[:7])
    assert "real images (floor)" in lines[2]
    assert "2.5 M | denoiser 1,200 | 300 | 100 |" in lines[3]
    assert "no such package" in lines[6]
    above = {name: of["scores"]["fid"] for name, of in found.items() if "scores" in of}
    assert above["ours"]["value"] < above["near"]["value"] < above["far"]["value"]
    share = (
        above["ours"]["difference_to_floor"]["value"]
        / above["near"]["difference_to_floor"]["value"]
    )
    assert "(near)" in text and f": {share:.2f} of it." in text
    at_the_floor = {name: {"value": 0.0, "interval": [-1.0, 1.0]} for name in ("near", "far")}
    for name, none in at_the_floor.items():
        above[name]["difference_to_floor"] = none
    assert "above the floor, the best peer (near) 0.0 [-1.0, 1.0].\n" in table(found, 60)
    assert "precision" in lines[0] and found["ours"]["scores"]["recall"]["value"] <= 1
