"""This project beside its peers: the same images, seconds, number of samples and scorer for all.

    python benchmarks/peers.py --data mnist --minutes 5 [--cores 1|all] [--clock cpu|wall]
        [--at-once 2] [--n 400] [--only ours notebook]

What the contestants are is said at the head of each file in benchmarks/peers/. All learn from the
train images of the cohort that config/<data>.yaml prepares (made by the workflow in results/ of the
current folder where it is not there), for --minutes on --cores; all then draw as many images as
are compared, asking their denoiser for each at most 20 times. Sampling does not count as training,
and is reported.

They take turns of ten seconds, so that what else the machine does meets all alike; with
`--at-once 2` two work at a time, each on its own --cores. Who waits stays in memory: all five
together had 18 GB with chest_xray, 8 of them diffusers_course's. Time is that which processors
worked for a contestant, cores × minutes of it; on a machine that does nothing else, `--clock wall`
takes the time on the wall. Peers' libraries are installed from the package registry, each in an
environment of its own (results/peers/environments).

Prints a Markdown table and appends it to benchmarks/peers.md.
"""

import argparse
import json
import math
import os
import shutil
import signal
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from functools import partial
from pathlib import Path

import numpy as np
from peers import scoring
from peers.contract import Task
from peers.environments import PACKAGES, python_of
from peers.table import table
from peers.turns import take_turns

from synthcohort import config
from synthcohort.cohort import Cohort, as_uint8, open_cohort
from synthcohort.errors import UserError
from synthcohort.hardware.variables import cores_here
from synthcohort.seeds import derive
from synthcohort.tracking.journal import environment

REPOSITORY = Path(__file__).parents[1]
WORK = Path("results", "peers")
EVALUATIONS = 20
"""At most, of the denoiser for an image. Ours takes fewer: its ten steps are not all guided."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--data", choices=("mnist", "chest_xray"), required=True)
    parser.add_argument("--minutes", type=_minutes, required=True)
    parser.add_argument("--cores", choices=("1", "all"), default="1")
    parser.add_argument("--clock", choices=("cpu", "wall"), default="cpu")
    parser.add_argument(
        "--at-once", type=_number, default=1, help="contestants that work at a time"
    )
    parser.add_argument("--n", type=_number, default=400, help="images that each draws")
    parser.add_argument("--only", nargs="+", choices=PACKAGES, default=list(PACKAGES))
    given = parser.parse_args()
    # So that contestants are ended too.
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(143))
    threads = 1 if given.cores == "1" else cores_here() or 1
    path = REPOSITORY / "config" / f"{given.data}.yaml"
    try:
        system = config.load(path)
    except UserError as error:
        raise SystemExit(str(error)) from None
    results = Path("results", system.name)
    prepare(path, results, threads)
    data = open_cohort(results / "cohort", results / "cohort" / "split.csv")
    real = scoring.real_sets(data, given.n, system.seed)

    work = WORK / given.data
    shutil.rmtree(work, ignore_errors=True)
    work.mkdir(parents=True)
    rows = data.of("train")
    np.savez(work / "train.npz", images=as_uint8(data.images[rows]), labels=data.classes[rows])
    task = Task(
        train=str((work / "train.npz").absolute()),
        asked=real["test"].classes.tolist(),
        classes=len(data.label_names),
        shape=list(data.images.shape[1:]),
        seconds=60 * given.minutes * (threads if given.clock == "cpu" else 1),
        clock=given.clock,
        evaluations=EVALUATIONS,
        threads=threads,
        seed=system.seed,
        config=str(path),
        results=str(results.absolute()),
    )
    found = compete(task, given.only, work, given.at_once)
    judge(found, system, data, real, results / "evaluation" / "classifier", threads, work)

    machine = environment()
    cores = f"{threads} core{'s' if threads > 1 else ''} of {machine['cpu']}"
    beside = f", {given.at_once} contestants at a time" if given.at_once > 1 else ""
    kind = "of processors' time a core" if given.clock == "cpu" else "on the wall"
    text = (
        f"\n## {given.data}, {given.minutes:g} minutes {kind}, {date.today()}\n\n"
        f"On {cores}{beside}; torch {machine['packages']['torch']}; "
        f"N = {len(task.asked)} images each, at most {EVALUATIONS} evaluations of the denoiser an "
        f"image, seed {system.seed}, one run.\n\n"
        f"{table(found, len(task.asked))}"
    )
    print(text, end="")
    with (REPOSITORY / "benchmarks" / "peers.md").open("a", encoding="utf-8") as file:
        file.write(text)


def _minutes(text: str) -> float:
    minutes = float(text)
    if not 0 < minutes < math.inf:
        raise argparse.ArgumentTypeError(f"expected a time above 0, got {text}")
    return minutes


def _number(text: str) -> int:
    if int(text) < 1:
        raise argparse.ArgumentTypeError(f"expected 1 or more, got {text}")
    return int(text)


def prepare(path: Path, results: Path, threads: int) -> None:
    """The workflow up to the cohort and the classifier that judges."""
    targets = [results / "cohort" / "split.csv", results / "evaluation" / "classifier"]
    command = ["snakemake", *map(str, targets), "--cores", str(threads), "--quiet", "all"]
    command += ["--snakefile", str(REPOSITORY / "Snakefile"), "--configfile", str(path)]
    if subprocess.run(command, check=False).returncode:
        raise SystemExit("the workflow could not prepare the cohort; its messages stand above")


def compete(task: Task, contestants: list[str], work: Path, at_once: int) -> dict[str, dict]:
    """Let them train and draw; by contestant {"told"}, its told.json, or {"failed"}."""
    found, starts = {}, {}
    for name in contestants:
        folder = work / name
        folder.mkdir()
        own = asdict(task) | {"seed": derive(task.seed, "peers", name)}
        (folder / "task.json").write_text(json.dumps(own), encoding="utf-8")
        try:
            python = python_of(name, WORK / "environments")
        except (subprocess.CalledProcessError, FileNotFoundError) as error:
            told = getattr(error, "stderr", "") or str(error)
            found[name] = {"failed": f"not installed: {told.strip().splitlines()[-1]}"}
            continue
        starts[name] = partial(start, python, name, folder, task.threads)
    for name, process in take_turns(starts, at_once=at_once).items():
        if process.returncode:
            log = (work / name / "log.txt").read_text(encoding="utf-8")
            found[name] = {"failed": reason(process.returncode, log)}
        else:
            told = json.loads((work / name / "told.json").read_text(encoding="utf-8"))
            found[name] = {"told": told}
    return {name: found[name] for name in contestants}


def reason(code: int, log: str) -> str:
    """Why a contestant has failed, by its exit status and what it printed."""
    if code == -signal.SIGKILL:
        return "ended by SIGKILL, as the system does where memory runs out"
    lines = log.strip().splitlines()
    return f"failed: {lines[-1] if lines else f'exit status {code}'}"


def start(python: Path, name: str, folder: Path, threads: int) -> subprocess.Popen:
    """A contestant's process; what it prints goes to log.txt in its folder."""
    path = f"{Path(__file__).parent}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"
    changes = {"PYTHONPATH": path, "OMP_NUM_THREADS": str(threads)}
    with (folder / "log.txt").open("w", encoding="utf-8") as log:
        return subprocess.Popen(
            [str(python), "-m", f"peers.{name}", str(folder / "task.json")],
            env=os.environ | changes,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def judge(
    found: dict[str, dict],
    system: config.Config,
    data: Cohort,
    real: dict[str, scoring.Set],
    classifier: Path,
    threads: int,
    work: Path,
) -> None:
    """Put the "scores" of every contestant that has drawn beside what it told."""
    extract = scoring.extraction(system.evaluation, classifier, threads)
    features = {name: extract(part.images) for name, part in real.items()}
    for name in (name for name, of in found.items() if "told" in of):
        with np.load(work / name / "drawn.npz", allow_pickle=False) as file:
            made = scoring.synthetic(real["test"], file["images"], file["labels"])
        found[name]["scores"] = scoring.score(
            system.evaluation,
            seed=system.seed,
            sets=real | {"synthetic": made},
            features=features | {"synthetic": extract(made.images)},
            label_names=data.label_names,
            classifier=classifier,
            labelled=found[name]["told"]["labelled"],
        )
        print(f"{name}: scored", file=sys.stderr)


if __name__ == "__main__":
    main()
