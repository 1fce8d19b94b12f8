"""The training loop: batches, status, checkpoints; progress is counted in images."""

import math
import time
from collections import deque
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
from synthcohort.hardware.memory import Fitting, told_when_short
from synthcohort.hardware.peak import most_memory
from synthcohort.hardware.precision import chosen
from synthcohort.hardware.telling import once
from synthcohort.progress import progress
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal
from synthcohort.training.checkpoints import Checkpoints
from synthcohort.training.lock import alone
from synthcohort.training.ranks import Ranks
from synthcohort.training.speed import Speed
from synthcohort.training.state import State, descend
from synthcohort.training.stopping import Stop, stopped
from synthcohort.training.usage import watched

Batch = tuple[torch.Tensor, ...]
Values = dict[str, torch.Tensor]
Objective = Callable[[Batch], tuple[Values, Values]]
STATUSES = 100
VALIDATIONS = 20
VALIDATION_IMAGES = 128
AHEAD = {"cpu": 1, "cuda": 4}
"""Batches that are fetched at once, each in a thread of its own: random numbers for a batch take a
core longer than a GPU may need for a step. On a CPU more would be in the way of the step's own."""
FEW_IMAGES = 64
"""Below so many images a GPU, starting operations may take longer than they do."""


def learning_rate(settings: Training, images: int) -> float:
    """Linear warm-up to the peak, then decay to zero along a line or a cosine (Loshchilov 2017), or
    the peak to the end; by images seen."""
    if images < settings.warmup_images:
        return settings.learning_rate * (images + settings.batch) / settings.warmup_images
    if settings.decay == "none":
        return settings.learning_rate
    span = max(settings.images - settings.warmup_images, 1)
    done = min((images - settings.warmup_images) / span, 1)
    left = 1 - done if settings.decay == "linear" else 0.5 * (1 + math.cos(math.pi * done))
    return settings.learning_rate * left


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
    draw: Callable[[torch.Generator], Batch],
    objective: Objective,
    forward: Callable[[], object],
    validate: Callable[[], dict[str, float]],
    checkpoints: Checkpoints,
    journal: Journal,
    after: Callable[[], None] = lambda: None,
) -> None:
    """Train `state` from where its newest checkpoint left it up to `settings.images`.

    `load(rows)` gives images and what belongs to them, `draw(generator)` the random numbers for a
    whole batch, both as CPU tensors with an image a row; they run ahead of the step in threads. All
    randomness of a step is in them, drawn on the CPU from a generator that is seeded by (seed,
    images seen), so it depends neither on the device nor on how a batch is cut.
    `objective(batch)` gets both for one part of a batch, as one tuple, and returns a loss for each
    optimizer that takes part, and values to be watched; all are means over those images and stay on
    the device, so the loop waits for it only at a status. `after()` follows the optimizers' step.
    `validate()` returns values to be kept beside the others. `forward()` puts two images through
    the network, to count what they ask for. Checkpoints are written every
    `hardware.checkpoint_minutes`, and every `settings.checkpoint_images` where there are any.

    Where the GPU's memory is short, parts become smaller, and the step is begun again.

    Raises:
        UserError: a value stopped being finite, and the checkpoint before it is kept; another job
            trains this stage; checkpoints of other settings are there; the disk is full; one image
            does not fit into the GPU's memory.
        Stopped: the time is over, or a signal came; the state is saved.
    """
    share = ranks.parts(settings.batch, 0)[0]
    own, total = share.rows, settings.images
    count = share.stop - share.start
    fitting = Fitting(
        min(hardware.micro_batch or count, count),
        f"training of the {what}",
        lambda images: journal.hardware(micro_batch=str(images)),
    )
    scaler = state.scaler = hardware.scaler()

    def fetch(start: int) -> Batch:
        generator = torch.Generator().manual_seed(derive(seed, "step", start))
        images = load(batch_rows(rows, seed, start, settings.batch)[own])
        batch = *images, *(drawn[own] for drawn in draw(generator))
        return tuple(t.pin_memory() for t in batch) if device.type == "cuda" else batch

    def gradients(batch: Batch, averaged: bool = True) -> tuple[list[str], Values]:
        for optimizer in state.optimizers.values():
            optimizer.zero_grad(set_to_none=True)
        totals: Values = {}
        parts = ranks.parts(settings.batch, fitting.images)
        for part in parts:
            images = tuple(t[part.start - own.start : part.stop - own.start] for t in batch)
            with ranks.averaging(averaged and part is parts[-1]):
                losses, values = objective(images)
                for loss in losses.values():
                    # The processes' gradients are averaged: the weights are to add up to one.
                    scaler.scale(loss * (part.share * ranks.size)).backward()
            for name, value in values.items():
                totals[name] = totals.get(name, 0) + value.detach() * part.share
        return list(losses), totals

    def fitted(batch: Batch, begun: int) -> tuple[list[str], Values]:
        if ranks.size == 1:
            return fitting.run(lambda: gradients(batch), count)
        # Gradients that are being averaged cannot be begun again by one process alone: the first
        # steps (there are moments from the second on) are tried without. A process whose memory
        # gets short later stops.
        if begun < 2:
            fitting.run(lambda: gradients(batch, averaged=False), count)
        return gradients(batch)

    with ExitStack() as stack:
        stack.enter_context(
            told_when_short(
                fitting.what,
                lambda: (
                    "run the same command again with fewer images at once, and it goes on from "
                    f"the last checkpoint: --micro-batch {(fitting.images + 1) // 2}"
                ),
            )
        )
        still_held = stack.enter_context(alone(checkpoints.lock)) if ranks.first else None
        stop = stack.enter_context(Stop(hardware.time_budget, hardware.began))
        usage = stack.enter_context(watched(device))
        stack.enter_context(checkpoints.writing())
        ranks.wait()
        told = {"device": str(device.type), "processes": str(ranks.size)}
        if device.type == "cuda":
            told["gpu"] = torch.cuda.get_device_name(device)
            if ranks.size > 1 and count < FEW_IMAGES:
                once(
                    f"training of the {what}: {count} images of a batch for each GPU, where one "
                    f"that is busy wants {FEW_IMAGES} small ones or more; fewer GPUs may be as fast"
                )
        journal.hardware(**told)

        def save() -> None:
            nonlocal saved, saved_at
            if ranks.first:
                still_held()
                checkpoints.save(state)
            saved, saved_at = state.images, time.monotonic()

        checkpoints.restore(state)
        saved, saved_at = state.images, time.monotonic()
        speed = None
        if ranks.first and state.images < total:
            dtype = chosen(hardware.precision, device)
            speed = Speed(forward, device, dtype, ranks.size)
            most_memory(device)  # counted from here on
        bar = stack.enter_context(progress(what, total=total, hidden=not ranks.first))
        bar.update(state.images)
        counted, clock = state.images, time.perf_counter()
        depth, begun = AHEAD[device.type], 0
        ahead = stack.enter_context(ThreadPoolExecutor(depth))
        upcoming = deque(
            ahead.submit(fetch, state.images + k * settings.batch) for k in range(depth)
        )
        while state.images < total:
            batch = tuple(t.to(device, non_blocking=True) for t in upcoming.popleft().result())
            upcoming.append(ahead.submit(fetch, state.images + depth * settings.batch))
            for optimizer in state.optimizers.values():
                for group in optimizer.param_groups:
                    group["lr"] = learning_rate(settings, state.images) * group.get("share", 1)
            names, values = fitted(batch, begun)
            values = ranks.sum(values)
            for name in names:
                descend(state.modules[name], state.optimizers[name], settings.gradient_clip, scaler)
            scaler.update()
            after()
            begun += 1
            before = state.images
            state.images += settings.batch
            state.since += 1
            for name, value in values.items():
                state.sums[name] = state.sums.get(name, 0) + value

            checkpoints.written()
            period = settings.checkpoint_images or math.inf
            planned = _crossed(before, state.images, period)
            over = state.images >= total
            if _crossed(before, state.images, total / STATUSES) or planned or over:
                means = {name: float(value) / state.since for name, value in state.sums.items()}
                if ranks.first:
                    _check_finite(means, state.images, checkpoints)
                now = time.perf_counter()
                images, seconds = state.images - counted, now - clock
                state.sums, state.since = {}, 0
                if ranks.first and _crossed(before, state.images, total / VALIDATIONS):
                    means |= validate()
                    _check_finite(means, state.images, checkpoints)
                    now = time.perf_counter()
                counted, clock = state.images, now
                state.history.append({"images": state.images, **means})
                if ranks.first:
                    told = speed.at(images, seconds) | usage() | most_memory(device)
                    means["images_per_second"] = images / seconds
                    journal.metric(state.images, **means, **told)
            reason = "" if over else stop.reason()
            ending = ranks.any(bool(reason)) and not over
            late = time.monotonic() - saved_at > 60 * hardware.checkpoint_minutes
            if (planned or over or late or ending) and saved != state.images:
                save()
            if ending:
                checkpoints.written(wait=True)
                ranks.wait()
                raise stopped(state.images, total, reason)
            bar.update(settings.batch)
        if speed is not None:
            journal.result(**speed.overall())


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
