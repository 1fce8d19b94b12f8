"""`synthcohort plan`: from a prepared cohort and a time to the sections to write."""

import dataclasses
import importlib
import resource
import shlex
import sys
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import torch

from synthcohort import config
from synthcohort.cohort import Cohort, open_cohort
from synthcohort.config import reading
from synthcohort.errors import UserError
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import told_when_short
from synthcohort.hardware.precision import chosen
from synthcohort.hardware.variables import cores_here, training_threads
from synthcohort.planning import expected, rule, trials
from synthcohort.planning.sections import replaced, text
from synthcohort.planning.stage_times import Around, Systems, fitted, seconds

_REPLACED = ("autoencoder", "diffusion", "sampling")
_IMPORTED_LATE = (
    "diffusers.models.autoencoders.autoencoder_kl",
    "diffusers.models.unets.unet_2d",
    "diffusers.schedulers.scheduling_ddpm",
    "skimage.metrics",
)
"""By the stages, beside what this package imports."""
_ASKED_OF_OTHERS = 0.9


def planned(path: Path, results: Path, budget: float, hardware: Hardware, on_gpu: bool) -> str:
    """The sections `autoencoder`, `diffusion` and `sampling` as YAML, for the system in `path`
    whose stages from the autoencoder to the samples are to take `budget` seconds on this machine;
    its cohort is in `results`. It measures for half a minute, longer where images are large
    or networks compiled.

    Raises:
        UserError: the configuration is at fault, or its cohort is not prepared; a GPU is wanted
            (`on_gpu`) and none is here; the time is too short.
    """
    system, asked = _system(path)
    cores = hardware.threads or cores_here() or 1
    data = _cohort(system, results, path, cores, asked)
    hardware = dataclasses.replace(hardware, threads=training_threads(cores))
    device = hardware.open()
    if on_gpu and device.type != "cuda":
        raise UserError(
            "--gpu-hours: there is no GPU here that torch can use, and a plan is measured where "
            "the stages will run. Run this there (on a cluster: srun --gpus 1 synthcohort plan "
            "…), or give --minutes for this machine's CPU"
        )
    gpu = device.type == "cuda"
    gigabytes = torch.cuda.get_device_properties(device).total_memory / 1e9 if gpu else 0
    for name in _IMPORTED_LATE:
        importlib.import_module(name)
    around = Around(
        train=len(data.of("train")),
        held_out=len(data.of("val")) or len(data.of("test")),
        images=len(data.images),
        start=time.process_time(),
        at_once=1 if gpu else cores,
    )
    clock, worked = time.perf_counter(), time.thread_time()
    with told_when_short(
        "synthcohort plan",
        lambda: "the smallest network of the rule does not fit; take smaller images (prepare.size)",
    ):
        best, latent, memory = _chosen(system, data, around, budget, gigabytes, cores, hardware)
    ours = (time.thread_time() - worked) / (time.perf_counter() - clock)
    sections = {name: getattr(best, name) for name in _REPLACED}
    comments = [
        f"A plan for {system.name}, made by `synthcohort plan`: {budget / 60:g} minutes from the "
        f"autoencoder to the samples, on {_words(device, hardware)} (snakemake --cores {cores}). "
        "Evaluation, audit and export come on top.",
        _of_cohort(data),
        *_of_replaced(path, replaced(sections, asked)),
        "",
        *_of_times(best, around),
        "",
        f"Memory: {memory:.1f} GB at most in a job"
        + (", of the GPU's, as tensors." if gpu else ".")
        + f" The U-Net has {best.denoiser_cost.weights / 1e6:.1f} million weights.",
        *([] if gpu else _busy(ours) + _of_bf16(best.diffusion, latent, hardware)),
        _of_passes(best.diffusion.images / around.train),
        *expected.told(
            system.prepare.size, around.train, best.autoencoder.images, best.diffusion.images
        ),
    ]
    return text(comments, sections, asked)


def _chosen(
    system: config.Config,
    data: Cohort,
    around: Around,
    budget: float,
    gigabytes: float,
    cores: int,
    hardware: Hardware,
) -> tuple[Systems, tuple[int, int, int], float]:
    """The widest U-Net that sees images enough in the time, tried one after the other; the latents'
    C×H×W, and the most memory so far, GB."""
    size, sampling = data.images.shape[2:], rule.sampling(system.sampling)
    autoencoder = rule.autoencoder(size, gigabytes)
    _say(f"trying the autoencoder {_widths(autoencoder)}")
    some = data.images[data.of("train")[:256]]
    cost, decoder = trials.try_autoencoder(autoencoder, some, hardware)
    latent = trials.latent_of(decoder, data.images.shape[1:])
    told = len(data.label_names), len(data.attribute_names)
    hardware = dataclasses.replace(hardware, threads=training_threads(cores, beside=1))
    best = None
    for diffusion in rule.denoisers(size, latent, gigabytes):
        _say(f"trying the U-Net {_widths(diffusion)}")
        try:
            tried = trials.try_denoiser(diffusion, sampling, latent, *told, decoder, hardware)
            found = Systems(autoencoder, diffusion, sampling, cost, tried)
            found = fitted(found, around, budget)
        except (torch.OutOfMemoryError, UserError):
            if best is None:
                raise
            break  # what is wider does not fit into the memory or the time
        if best is not None and not rule.wide_enough(found.diffusion.images, tried.weights):
            break
        best, memory = found, _memory(hardware.open())
    return best, latent, memory


def _system(path: Path) -> tuple[config.Config, dict[str, dict[str, Any]]]:
    """The checked configuration, and what stands in the sections which a plan replaces; the
    trainings may be missing or at fault."""
    values = dict(reading.read(path))
    asked = {name: _section(values.get(name)) for name in _REPLACED}
    for name in ("autoencoder", "diffusion"):
        if "start" in asked[name]:
            raise UserError(
                f"{path}: {name}.start: a plan chooses the networks, and given weights have chosen "
                "theirs already; plan without it, or set the lengths (images) yourself"
            )
    stand_in = {"images": rule.LEAST_IMAGES}
    return config.check(values | {"autoencoder": stand_in, "diffusion": stand_in}, str(path)), asked


def _section(written: Any) -> dict[str, Any]:
    if not isinstance(written, Mapping):
        return {}
    return {str(key): value for key, value in written.items()}


def _cohort(
    system: config.Config,
    results: Path,
    path: Path,
    cores: int,
    asked: Mapping[str, Mapping[str, Any]],
) -> Cohort:
    folder = results / system.name / "cohort"
    split = folder / "split.csv"
    command = f"snakemake --cores {cores} {split} --configfile {shlex.quote(str(path))}"
    # Snakemake wants a whole configuration.
    if missing := [name for name in ("autoencoder", "diffusion") if not asked[name]]:
        command += " --config " + " ".join(f"'{name}={{images: 1}}'" for name in missing)
    if not all(file.exists() for file in (folder / "images.npy", folder / "manifest.csv", split)):
        raise UserError(
            f"{folder}: there is no prepared cohort yet, and a plan needs to know its images. "
            f"Prepare and split it, then plan again: {command}"
        )
    data = open_cohort(folder, split)
    if tuple(data.images.shape[2:]) != tuple(system.prepare.size):
        height, width = data.images.shape[2:]
        raise UserError(
            f"{folder}: holds images of {height}×{width}, but {path} has prepare.size: "
            f"{list(system.prepare.size)}. Prepare the cohort anew, then plan again: {command}"
        )
    if not len(data.of("train")):
        raise UserError(f"{split}: no image is in train; change split.fractions in {path}")
    return data


def _of_cohort(data: Cohort) -> str:
    train = data.of("train")
    channels, height, width = data.images.shape[1:]
    names = data.label_names
    told = f"{len(names)} labels" if len(names) > 1 else "no labels"
    if attributes := data.attribute_names:
        told += f", attributes: {', '.join(attributes)}"
    return (
        f"The cohort: {len(train):,} train images of {len(set(data.patients[train])):,} patients, "
        f"{channels}×{height}×{width}; {told}."
    )


def _of_replaced(path: Path, keys: list[str]) -> list[str]:
    if not keys:
        return []
    return [
        f"It has other values than {path}: {', '.join(keys)}. What has to stay as it was there, "
        "write into the plan again; the times and the figures below are then others, too."
    ]


def _of_times(best: Systems, around: Around) -> list[str]:
    taken = seconds(best, around)
    images, steps = best.lengths, best.steps
    lines = [
        f"  {name:12}{value / 60:7.1f} min"
        + (f"   {images[name]:,} images, {1 / steps[name]:.0f} a second" if name in images else "")
        for name, value in taken.items()
    ]
    return [
        "What it takes, as measured:",
        *lines,
        f"  {'in all':12}{sum(taken.values()) / 60:7.1f} min",
    ]


def _of_passes(passes: float) -> str:
    told = f"Every train image is seen {passes:.1f} times by the diffusion model."
    if passes <= rule.MOST_PASSES:
        return told
    return (
        f"{told} The oftener, the more it learns patients by heart: {expected.by_heart()}. Look at "
        "that figure of yours; more patients, or a shorter time, make it safer."
    )


def _of_bf16(
    settings: config.Diffusion, latent: tuple[int, int, int], hardware: Hardware
) -> list[str]:
    if hardware.precision != "auto":
        return []
    _say("trying bf16")
    gain = trials.gain_of_bf16(settings, latent, hardware)
    told = f"In bf16 the U-Net's steps are {gain:.1f} times as fast as in fp32"
    if gain < 1.1:
        return [f"{told}: it stays fp32."]
    return [f"{told}. To have that, export SYNTHCOHORT_PRECISION=bf16, and plan again with it."]


def _busy(ours: float) -> list[str]:
    if ours > _ASKED_OF_OTHERS:
        return []
    return [
        "Others were working on this machine while it was measured; the times are those without "
        f"them. As busy as then, it takes {1 / ours:.1f} times as long."
    ]


def _words(device: torch.device, hardware: Hardware) -> str:
    numbers = str(chosen(hardware.precision, device)).removeprefix("torch.")
    if device.type == "cuda":
        return f"{torch.cuda.get_device_name(device)}, {numbers}"
    return f"a CPU with threads: {hardware.threads}, {numbers}"


def _widths(settings: config.Autoencoder | config.Diffusion) -> str:
    return "-".join(map(str, settings.channels))


def _memory(device: torch.device) -> float:
    """The most memory that this process has held, GB: of a GPU by its tensors."""
    if device.type == "cuda":
        return torch.cuda.max_memory_allocated(device) / 1e9
    most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return most * (1 if sys.platform == "darwin" else 1024) / 1e9


def _say(what: str) -> None:
    print(what, file=sys.stderr, flush=True)
