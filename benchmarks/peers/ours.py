"""This project: the stages of its workflow with the settings of its configuration, made to measure.

How long its two trainings are is counted in images, and their learning rates fall to zero in the
end, so how many images fit is measured first, in two short trainings of each. That is not part of
the time; what the stages then take is all counted, validation and the latents of images that are
not trained on included.
"""

from collections.abc import Callable
from pathlib import Path

import numpy as np

from peers.contract import clock, hand_in, open_task, parameters
from synthcohort import config
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.latents.encode import encode
from synthcohort.models import load_autoencoder, load_denoiser
from synthcohort.samples.listing import shard_path
from synthcohort.samples.sample import sample
from synthcohort.tracking.journal import Journal
from synthcohort.training.autoencoder import train_autoencoder
from synthcohort.training.diffusion import train_diffusion

PROBES = (20, 60)
"""Steps of the two short trainings; either validates twenty times, as the long ones do."""


def main() -> None:
    task, folder = open_task()
    system, now = config.load(Path(task.config)), clock(task.clock)
    cohort = Path(task.results) / "cohort"
    common = {
        "seed": task.seed,
        "cohort": cohort,
        "split": cohort / "split.csv",
        "hardware": Hardware(device="cpu", threads=task.threads),
        "journal": Journal(None, "peers", {}),
    }

    def seconds(stage: Callable, *settings: object, **places: Path) -> float:
        began = now()
        stage(*settings, **places, **common)
        return now() - began

    def autoencoder(settings: config.Autoencoder, at: Path) -> float:
        places = {"out": at / "autoencoder", "history": at / "autoencoder.json"}
        return seconds(train_autoencoder, settings, checkpoints=at / "checkpoints", **places)

    def latents(at: Path) -> float:
        places = {"measured": at / "latents.json", "arrays": at / "latents.npz"}
        return seconds(encode, autoencoder=at / "autoencoder", out=at / "latents", **places)

    def diffusion(settings: config.Diffusion, at: Path) -> float:
        places = {"out": at / "diffusion", "history": at / "diffusion.json"}
        places |= {"autoencoder": at / "autoencoder", "latents": at / "latents"}
        places |= {"snapshots": at / "snapshots.npz", "checkpoints": at / "checkpoints"}
        return seconds(train_diffusion, settings, **places)

    probe, real = folder / "probe", folder / "run"
    for at in (probe, real):
        at.mkdir(exist_ok=True)
    first = pace(lambda part: autoencoder(part, probe), system.autoencoder)
    between = latents(probe)
    second = pace(lambda part: diffusion(part, probe), system.diffusion)
    whole = [system.autoencoder.images, system.diffusion.images]
    fixed = first[0] + between + second[0]
    share = (task.seconds - fixed) / (first[1] * whole[0] + second[1] * whole[1])

    trained = shortened(system.autoencoder, share * whole[0])
    spent = autoencoder(trained, real) + latents(real)
    denoising = shortened(system.diffusion, (task.seconds - spent - second[0]) / second[1])
    spent += diffusion(denoising, real)

    names = read_json(real / "diffusion" / "labels.json")["names"]
    asked = dict(zip(names, np.bincount(task.asked, minlength=len(names)).tolist(), strict=True))
    steps = task.evaluations // (1 if system.sampling.guidance == 1 else 2)
    sampling = system.sampling.model_copy(
        update={"images": asked, "shard": len(task.asked), "steps": steps}
    )
    out, models = real / "samples", {m: real / m for m in ("autoencoder", "diffusion")}
    out.mkdir(exist_ok=True)
    drawing = seconds(sample, sampling, part=0, parts=1, out=out / "part-00000.txt", **models)
    with np.load(shard_path(out, 0), allow_pickle=False) as shard:
        images, labels = shard["images"], shard["labels"]
    # In the order in which they were asked for.
    order = np.empty(len(labels), int)
    order[np.argsort(task.asked, kind="stable")] = np.argsort(labels, kind="stable")
    networks = load_autoencoder(models["autoencoder"]), load_denoiser(models["diffusion"])
    told = {
        "seen": {"autoencoder": trained.images, "denoiser": denoising.images},
        "parameters": parameters(*networks),
        "labelled": len(names) > 1,
    }
    hand_in(folder, task, images[order], told, training=spent, sampling=drawing)


def pace(run: Callable[[config.Training], float], settings: config.Training) -> tuple[float, float]:
    """Seconds that a training takes in any case, and more of them an image."""
    images = [steps * settings.batch for steps in PROBES]
    few, many = (run(shortened(settings, count)) for count in images)
    each = (many - few) / (images[1] - images[0])
    return few - each * images[0], each


def shortened(settings: config.Training, images: float) -> config.Training:
    """The same training with so many images, in whole batches, and all that is counted in images
    less in proportion."""
    images = max(round(images / settings.batch), 1) * settings.batch
    share = images / settings.images
    counted = {"images": images, "warmup_images": round(share * settings.warmup_images)}
    if isinstance(settings, config.Diffusion):
        counted["ema_images"] = round(share * settings.ema_images)
    return settings.model_copy(update=counted)


if __name__ == "__main__":
    main()
