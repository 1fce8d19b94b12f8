"""A training that is begun in a child of a process that has imported everything, and killed there.

Run as `python faults.py FOLDER KILLS SEED`: FOLDER is that of the fixture `trained.system`. Prints
one JSON line: the kills in all, those inside the write of a checkpoint, and how many of the models
that came out in the end differ from the undisturbed ones.
"""

import json
import os
import random
import shutil
import signal
import sys
import time
from pathlib import Path

import torch
import trained
from safetensors.torch import load_file

from synthcohort.training import checkpoints

WHOLE = {
    trained.autoencoder: "autoencoder/diffusion_pytorch_model.safetensors",
    trained.diffusion: "diffusion/unet/diffusion_pytorch_model.safetensors",
}


def begin(stage, folder: Path, name: str, in_write: bool) -> int:
    """Train in a child process, with a checkpoint at every step; its pid."""
    child = os.fork()
    if child:
        return child
    status = 1
    try:
        if in_write:
            checkpoints._save = half_a_file
        stage(folder, name)
        status = 0
    finally:
        os._exit(status)


def half_a_file(tensors, path: Path, metadata, save=checkpoints._save) -> None:
    """Save the third checkpoint by half, and die of it."""
    save(tensors, path, metadata)
    half_a_file.written = getattr(half_a_file, "written", 0) + 1
    if half_a_file.written == 3:
        path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
        os.kill(os.getpid(), signal.SIGKILL)


def main(folder: Path, kills: int, seed: int) -> None:
    trained.HARDWARE = trained.Hardware("cpu", "fp32", 1, checkpoint_minutes=0)
    chance = random.Random(seed)
    done = {"kills": 0, "in_write": 0, "finished": 0, "different": 0}
    length = {stage: undisturbed(stage, folder) for stage in WHOLE}
    while done["kills"] < kills:
        stage, name = list(WHOLE)[done["finished"] % 2], f"faults-{done['finished']}"
        for attempt in range(6):
            in_write = attempt == 1
            child = begin(stage, folder, name, in_write)
            if attempt < 5 and not in_write:
                time.sleep(chance.uniform(0, length[stage]))
                os.kill(child, signal.SIGKILL)
            status = os.waitpid(child, 0)[1]
            if status == 0:
                break
            if not os.WIFSIGNALED(status):
                raise SystemExit(f"{name}: the training failed by itself")
            done["kills"] += 1
            done["in_write"] += in_write
        whole, made = load_file(folder / WHOLE[stage]), load_file(made_by(stage, folder, name))
        same = whole.keys() == made.keys() and all(torch.equal(whole[k], made[k]) for k in whole)
        done["finished"] += 1
        done["different"] += not same
    print(json.dumps(done))


def undisturbed(stage, folder: Path) -> float:
    """The seconds that a training takes, and what it imports is imported for the children."""
    for _ in range(2):
        shutil.rmtree(folder / "checkpoints-undisturbed", ignore_errors=True)
        clock = time.monotonic()
        stage(folder, "undisturbed")
    return time.monotonic() - clock


def made_by(stage, folder: Path, name: str) -> Path:
    return folder / name / Path(*Path(WHOLE[stage]).parts[1:])


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]), int(sys.argv[3]))
