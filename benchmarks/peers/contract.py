"""What every contestant is given and hands in, and the clock by which its training ends.

A contestant is a module of this package, run as `python -m peers.<name> <task.json>` in an
environment that has numpy and torch, and its own library. It leaves beside the task

- drawn.npz: images (n×C×H×W uint8) and labels (n int64), those that were asked for;
- told.json: seen (images seen, by network), parameters, labelled (whether the labels were told to
  the model), and the seconds of training and sampling.

It can be stopped (SIGTSTP) and continued (SIGCONT): time in which it was stopped does not count.
"""

import json
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import numpy as np
    import torch
    from torch import nn

BLOCK = 100
"""Images drawn at once."""
_stopped = 0.0


@dataclass(frozen=True)
class Task:
    """What task.json holds."""

    train: str
    """An npz of train images (N×C×H×W uint8) and labels (N int64, places in the cohort's list)."""
    asked: list[int]
    """The labels of the images to draw."""
    classes: int
    """How many labels there are."""
    shape: list[int]
    """C, H and W of an image."""
    seconds: float
    """How long to train, from the first look at an image on."""
    clock: str
    """cpu: seconds that processors worked for this process; wall: seconds on the wall."""
    evaluations: int
    """How often the denoiser may be asked for an image that is drawn."""
    threads: int
    seed: int
    config: str
    """The configuration and results/<name> of the system that the images come from, for ours."""
    results: str


def _stop(*_: object) -> None:
    global _stopped
    began = time.monotonic()
    # To this thread: it does not go on before the signal has come.
    signal.pthread_kill(threading.get_ident(), signal.SIGSTOP)
    _stopped += time.monotonic() - began


# What is not caught is lost where no terminal is there to go on from.
signal.signal(signal.SIGTSTP, _stop)


def clock(kind: str) -> Callable[[], float]:
    """Seconds since whenever: "cpu" or "wall" (`Task.clock`), without those of being stopped."""
    return time.process_time if kind == "cpu" else lambda: time.monotonic() - _stopped


def open_task() -> tuple[Task, Path]:
    """The task that the command line names, and the folder it lies in."""
    path = Path(sys.argv[1])
    return Task(**json.loads(path.read_text(encoding="utf-8"))), path.parent


def contest(
    train: Callable[[Task, "np.ndarray", "np.ndarray", Callable[[], float]], tuple[Any, dict]],
    draw: Callable[[Task, Any], "torch.Tensor"],
) -> None:
    """Do the task.

    `train(task, images, labels, left)` learns while `left()`, seconds, is above 0; it returns what
    `draw` needs and {"seen", "parameters", "labelled"}. `draw(task, trained)` gives n×C×H×W floats
    from 0 (black) to 1, which are cut there.
    """
    import numpy as np
    import torch

    task, folder = open_task()
    torch.set_num_threads(task.threads)
    torch.manual_seed(task.seed)
    with np.load(task.train, allow_pickle=False) as file:
        images, labels = file["images"], file["labels"]
    now = clock(task.clock)
    began = now()
    trained, told = train(task, images, labels, lambda: task.seconds - (now() - began))
    learnt = now()
    with torch.inference_mode():
        made = (draw(task, trained).clamp(0, 1) * 255).round().byte().numpy()
    hand_in(folder, task, made, told, training=learnt - began, sampling=now() - learnt)


def hand_in(
    folder: Path, task: Task, images: "np.ndarray", told: dict, *, training: float, sampling: float
) -> None:
    """Write drawn.npz and told.json; both times are in seconds."""
    import numpy as np

    np.savez(folder / "drawn.npz", images=images, labels=np.array(task.asked, np.int64))
    text = json.dumps(told | {"training": training, "sampling": sampling}, indent=1)
    (folder / "told.json").write_text(text + "\n", encoding="utf-8")


def batches(
    task: Task, images: "np.ndarray", labels: "np.ndarray", size: int
) -> Iterator[tuple["torch.Tensor", "torch.Tensor"]]:
    """Without end: size×C×H×W float32 from 0 to 1, and size int64 labels; every time through all
    images in another order."""
    import numpy as np
    import torch

    random, rows = np.random.default_rng(task.seed), np.empty(0, np.int64)
    while True:
        while len(rows) < size:
            rows = np.concatenate([rows, random.permutation(len(images))])
        taken, rows = rows[:size], rows[size:]
        yield torch.from_numpy(images[taken]).float() / 255, torch.from_numpy(labels[taken])


def blocks(task: Task) -> Iterator["torch.Tensor"]:
    """The labels that are asked for, int64, at most BLOCK at a time."""
    import torch

    return iter(torch.tensor(task.asked).split(BLOCK))


def parameters(*networks: "nn.Module") -> int:
    """How many numbers are learnt."""
    return sum(weight.numel() for network in networks for weight in network.parameters())
