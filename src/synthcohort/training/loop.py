"""The training loop: batches, status, checkpoints; progress is counted in images."""

import math
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack
from functools import lru_cache

import numpy as np
import torch

from synthcohort.cohort import Cohort
from synthcohort.config import Training
from synthcohort.errors import UserError
from synthcohort.hardware import Hardware
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.lock import alone
from synthcohort.training.ranks import Part, Ranks
from synthcohort.training.state import State, descend
from synthcohort.training.stopping import Stop, Stopped
from synthcohort.training.usage import watched

Batch = tuple[torch.Tensor, ...]
Values = dict[str, torch.Tensor]
Objective = Callable[[Batch, Part, torch.Generator], tuple[Values, Values]]
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
    hardware: Hardware,
    device: torch.device,
    ranks: Ranks,
    rows: np.ndarray,
    load: Callable[[np.ndarray], Batch],
    objective: Objective,
    validate: Callable[[], dict[str, float]],
    checkpoints: Checkpoints,
    journal: Journal,
    after: Callable[[], None] = lambda: None,
) -> None:
    """Train `state` from where its newest checkpoint left it up to `settings.images`.

    `load(rows)` gives a batch of CPU tensors and runs in a thread of its own, a step ahead.
    `objective(batch, part, generator)` gets the images of one part of a batch and returns a loss
    for each optimizer that takes part, and values to be watched; all are means over those images
    and stay on the device, so the loop waits for it only at a status. All randomness of a step
    comes from its generator, which is seeded by (seed, images seen) and from which every part draws
    for the whole batch. `after()` follows the optimizers' step. `validate()` returns values to be
    kept beside the others. Checkpoints are written every `settings.checkpoint_images`, and where
    that takes long every `hardware.checkpoint_minutes`.

    Raises:
        UserError: a value stopped being finite, and the checkpoint before it is kept; another job
            trains this stage; checkpoints of other settings are there.
        Stopped: the time is over, or a signal came; the state is saved.
    """
    parts = ranks.parts(settings.batch, hardware.micro_batch)
    own = slice(parts[0].start, parts[-1].stop)
    total = settings.images

    def fetch(start: int) -> Batch:
        batch = load(batch_rows(rows, seed, start, settings.batch)[own])
        return tuple(t.pin_memory() for t in batch) if device.type == "cuda" else batch

    def gradients(batch: Batch, generator: torch.Generator) -> tuple[list[str], Values]:
        for optimizer in state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        totals: Values = {}
        for part in parts:
            generator.manual_seed(derive(seed, "step", state.images))
            images = tuple(t[part.start - own.start : part.stop - own.start] for t in batch)
            with ranks.averaging(part is parts[-1]):
                losses, values = objective(images, part, generator)
                for loss in losses.values():
                    # The processes' gradients are averaged: the weights are to add up to one.
                    (loss * (part.share * ranks.size)).backward()
            for name, value in values.items():
                totals[name] = totals.get(name, 0) + value.detach() * part.share
        return list(losses), ranks.sum(totals)

    with ExitStack() as stack:
        still_held = stack.enter_context(alone(checkpoints.lock)) if ranks.first else None
        stop = stack.enter_context(Stop(hardware.time_budget, hardware.began))
        usage = stack.enter_context(watched(device))
        ranks.wait()
        told = {"device": str(device.type), "processes": str(ranks.size)}
        if device.type == "cuda":
            told["gpu"] = torch.cuda.get_device_name(device)
        journal.hardware(**told)

        def save() -> None:
            nonlocal saved, saved_at
            if ranks.first:
                still_held()
                checkpoints.save(state)
            saved, saved_at = state.images, time.monotonic()

        checkpoints.restore(state)
        saved, saved_at = state.images, time.monotonic()
        generator = torch.Generator(device)
        bar = stack.enter_context(progress(what, total=total, hidden=not ranks.first))
        bar.update(state.images)
        counted, clock = state.images, time.perf_counter()
        ahead = stack.enter_context(ThreadPoolExecutor(1))
        upcoming = ahead.submit(fetch, state.images)
        while state.images < total:
            batch = tuple(t.to(device, non_blocking=True) for t in upcoming.result())
            upcoming = ahead.submit(fetch, state.images + settings.batch)
            for optimizer in state.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(settings, state.images)
            names, values = gradients(batch, generator)
            for name in names:
                descend(state.modules[name], state.optimizers[name], settings.gradient_clip)
            after()
            before = state.images
            state.images += settings.batch
            state.since += 1
            for name, value in values.items():
                state.sums[name] = state.sums.get(name, 0) + value

            planned = _crossed(before, state.images, settings.checkpoint_images)
            over = state.images >= total
            if _crossed(before, state.images, total / STATUSES) or planned or over:
                means = {name: float(value) / state.since for name, value in state.sums.items()}
                if ranks.first:
                    _check_finite(means, state.images, checkpoints)
                now = time.perf_counter()
                speed = (state.images - counted) / (now - clock)
                state.sums, state.since = {}, 0
                if ranks.first and _crossed(before, state.images, total / VALIDATIONS):
                    means |= validate()
                    _check_finite(means, state.images, checkpoints)
                    now = time.perf_counter()
                counted, clock = state.images, now
                state.history.append({"images": state.images, **means})
                journal.metric(state.images, **means, images_per_second=speed, **usage())
            reason = "" if over else stop.reason()
            ending = ranks.any(bool(reason)) and not over
            late = time.monotonic() - saved_at > 60 * hardware.checkpoint_minutes
            if (planned or over or late or ending) and saved != state.images:
                save()
            if ending:
                ranks.wait()
                raise Stopped(
                    f"the training was stopped after {state.images:,} of {total:,} images: "
                    f"{reason or 'another process was told to'}. It is saved; run the same "
                    "command again and it goes on from there"
                )
            bar.update(settings.batch)


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
