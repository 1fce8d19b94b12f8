"""The training loop: prefetched batches, status, checkpoints; progress is counted in images."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from functools import lru_cache

import numpy as np
import torch

from synthcohort.cohort import Cohort
from synthcohort.config import Training
from synthcohort.errors import UserError
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.state import State

Batch = tuple[torch.Tensor, ...]
Values = dict[str, torch.Tensor]
STATUSES = 100
VALIDATIONS = 20
VALIDATION_IMAGES = 256


def learning_rate(settings: Training, images: int) -> float:
    """Linear warm-up to the peak, then cosine decay to zero (Loshchilov 2017) or the peak to the
    end, by images seen."""
    if images < settings.warmup_images:
        return settings.learning_rate * (images + settings.batch) / settings.warmup_images
    if settings.decay == "none":
        return settings.learning_rate
    span = max(settings.images - settings.warmup_images, 1)
    done = min((images - settings.warmup_images) / span, 1)
    return settings.learning_rate * 0.5 * (1 + math.cos(math.pi * done))


def batch_rows(rows: np.ndarray, seed: int, start: int, batch: int) -> np.ndarray:
    """The rows of the batch that begins after `start` images: every epoch a fresh permutation of
    all rows, joined end to end, so that a batch is a function of its position alone."""
    chosen = []
    while batch:
        epoch, position = divmod(start, len(rows))
        order = _permutation(derive(seed, "epoch", epoch), len(rows))
        taken = rows[order[position : position + batch]]
        chosen.append(taken)
        start += len(taken)
        batch -= len(taken)
    return np.concatenate(chosen)


@lru_cache(maxsize=2)
def _permutation(seed: int, length: int) -> np.ndarray:
    return np.random.default_rng(seed).permutation(length)


def validation_rows(data: Cohort) -> np.ndarray:
    """The rows a training is watched on: of val, or of train where there is no val."""
    rows = data.of("val")
    return (rows if len(rows) else data.of("train"))[:VALIDATION_IMAGES]


def train(
    state: State,
    settings: Training,
    *,
    what: str,
    seed: int,
    device: torch.device,
    rows: np.ndarray,
    load: Callable[[np.ndarray], Batch],
    step: Callable[[Batch, torch.Generator], Values],
    validate: Callable[[], dict[str, float]],
    checkpoints: Checkpoints,
    journal: Journal,
) -> None:
    """Train `state` from where its newest checkpoint left it up to `settings.images`.

    `load(rows)` gives a batch of CPU tensors and runs in a thread of its own, a step ahead;
    `step(batch, generator)` updates the modules and returns values that stay on the device, so the
    loop waits for it only at a status. All randomness of a step comes from its generator, which is
    seeded by (seed, images seen). `validate()` returns values to be kept beside them.

    Raises:
        UserError: a value stopped being finite; the checkpoint before it is kept.
    """
    checkpoints.restore(state)
    generator = torch.Generator(device)
    bar = progress(what, total=settings.images)
    bar.update(state.images)
    total, sums, since, clock = settings.images, {}, 0, time.perf_counter()

    def fetch(start: int) -> Batch:
        batch = load(batch_rows(rows, seed, start, settings.batch))
        return tuple(t.pin_memory() for t in batch) if device.type == "cuda" else batch

    with ThreadPoolExecutor(1) as ahead:
        upcoming = ahead.submit(fetch, state.images)
        while state.images < total:
            batch = tuple(t.to(device, non_blocking=True) for t in upcoming.result())
            upcoming = ahead.submit(fetch, state.images + settings.batch)
            for optimizer in state.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(settings, state.images)
            generator.manual_seed(derive(seed, "step", state.images))
            values = step(batch, generator)
            before = state.images
            state.images += settings.batch
            since += 1
            for name, value in values.items():
                sums[name] = sums.get(name, 0) + value.detach()
            bar.update(settings.batch)

            due = _crossed(before, state.images, total / STATUSES)
            save = _crossed(before, state.images, settings.checkpoint_images)
            if due or save or state.images >= total:
                means = {name: float(value) / since for name, value in sums.items()}
                _check_finite(means, state.images, checkpoints)
                now = time.perf_counter()
                speed = since * settings.batch / (now - clock)
                sums, since, clock = {}, 0, now
                if _crossed(before, state.images, total / VALIDATIONS):
                    means |= validate()
                    clock = time.perf_counter()
                state.history.append({"images": state.images, **means})
                journal.metric(state.images, **means, images_per_second=speed)
            if save and state.images < total:
                checkpoints.save(state)
    bar.close()


def _crossed(before: int, after: int, period: float) -> bool:
    return int(before / period) != int(after / period)


def _check_finite(values: dict[str, float], images: int, checkpoints: Checkpoints) -> None:
    bad = [name for name, value in values.items() if not math.isfinite(value)]
    if bad:
        raise UserError(
            f"the {bad[0]} stopped being finite after {images:,} images. Lower learning_rate (or "
            f"gradient_clip) of this stage; the checkpoints before it are kept in "
            f"{checkpoints.folder}"
        )
