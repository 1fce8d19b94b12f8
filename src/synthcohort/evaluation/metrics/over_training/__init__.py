"""What a longer training gains and what it gives away: membership, near copies and quality at the
moments of the training at which the average weights were kept.

At every moment the same noise is drawn for the same labels, and the loss of the same real images is
taken, so that the points differ in nothing but the training.
"""

from collections import deque
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation, Sampling
from synthcohort.evaluation.extractors import classifier as extractor
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.evaluation.metrics.membership import IMAGES, NOISES, TIMES
from synthcohort.evaluation.metrics.membership.denoiser_loss import (
    by_patient,
    chosen,
    conditions,
    losses,
    scores,
)
from synthcohort.evaluation.metrics.membership.patient_auc import strongest
from synthcohort.evaluation.metrics.over_training.advice import advised
from synthcohort.evaluation.metrics.over_training.gains import distances, mean_losses
from synthcohort.evaluation.metrics.over_training.moments_figure import draw
from synthcohort.evaluation.metrics.over_training.near_copies import QUANTILE, near_copies
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.models import moments
from synthcohort.progress import progress
from synthcohort.seeds import derive

__all__ = ["CAPTION", "EXTRACTOR", "JOB", "MEASURES", "MODELS", "draw", "measure"]

EXTRACTOR = None
JOB = "membership"  # it takes the same losses
MODELS = ("autoencoder", "classifier", "diffusion", "latents")
MEASURES = (
    Measure(
        "over_training",
        "Advised length of the training, images seen",
        325,
        "privacy",
        "",
        "The moment of the training up to which it paid: the quality still grew, and no patient "
        "was given away yet; the figure shows what later moments gain and cost.",
    ),
)
CAPTION = """\
What a longer training gains and what it gives away, against the images seen until then. First: how
well the denoiser's loss tells train patients from unseen ones (AUC over patients, 0.5 is chance).
Second: that loss on both; where the unseen patients' no longer falls with the train patients', the
model learns by heart. Third: the share of generated images that stand out by their nearness to one
train image, as one in a hundred images of unseen patients does. Last: the Fréchet distance to real
test images in the features of the own classifier, lower is better. The same noise is drawn at every
moment.

Where the first curve leaves 0.5 while the unseen patients' loss and the distance have become level,
the training should have been shorter. The distances are of few images: compare them with each other
only.
"""
LEVELS = TIMES[:2]
"""Of T: the noise levels at which the losses are taken, those of membership, which has taken those
of the first moment and the last one."""
PATIENTS = 100
"""Most patients of a part whose losses are taken: enough for a curve."""
STEPS = 20
BLOCK = 256


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The value is the advised number of images seen; it has no interval and no floor.

    "points" in the details are the moments: "images" seen, "membership" (the stronger attack's area
    over patients; at the first moment, which calibrates the others, the plain attack's),
    "near_copies" (a share of `settings.guidance_images` images, without guidance), the
    denoiser's mean "train_loss" and "unseen_loss" over patients (1 at the first moment) and
    "quality" (a distance), each {"value", "interval"}; the last three also have "gain", by how much
    the end is better, with its paired interval. "advice" is a sentence.
    """
    networks = moments(material.models["diffusion"])
    if len(networks) < 2:
        return not_applicable("No early weights of this training were kept to compare with."), {}
    as_membership = derive(seed, "evaluation", "membership")
    seed = derive(seed, "evaluation", "over_training")
    cohort, patients = material.cohort, min(PATIENTS, settings.membership_patients)
    part = {
        name: chosen(material, name, patients, IMAGES, as_membership)
        for name in ("train", "val", "test")
    }
    unseen = np.concatenate([part["val"], part["test"]])
    asked = np.random.default_rng(seed).permutation(cohort.of("test"))
    asked = asked[: settings.guidance_images]
    near = near_copies(material, unseen, seed)
    features = _features(settings, seed, material, hardware)
    of_test, made, kept, points = features(material.sets["test"].images), [], [], []
    compared, reference = np.concatenate([part["train"], unseen]), None
    patients = np.unique(cohort.patients[compared])
    train = np.isin(patients, cohort.patients[part["train"]])
    with progress("Moments of the training", len(networks), unit="moment") as bar:
        for images, network in networks.items():
            loss = losses(material, network, compared, LEVELS, NOISES, as_membership, hardware)
            reference = loss if reference is None else reference
            of = scores(loss, reference if points else None, cohort.patients[compared])
            told = {name: (of[name].mean(0)[train], of[name].mean(0)[~train]) for name in of}
            # All levels count alike, and the first moment is 1.
            relative = (loss / reference.mean(1, keepdims=True)).mean(0)
            kept.append(by_patient(relative, cohort.patients[compared]))
            latents, pictures = _drawn(material, network, asked, seed, hardware)
            made.append(features(pictures))
            points.append(
                {
                    "images": images,
                    "membership": strongest(told, len(networks))[1],
                    "near_copies": near(latents),
                }
            )
            bar.update()
    more = {
        "unseen_loss": mean_losses([loss[~train] for loss in kept]),
        "train_loss": mean_losses([loss[train] for loss in kept]),
        "quality": distances(of_test, made, material, seed),
    }
    for place, point in enumerate(points):
        point |= {name: figures[place] for name, figures in more.items()}
    value, advice = advised(points)
    return {
        "extractor": "this system's denoiser; classifier trained on this cohort's train split",
        "layer": f"loss at {len(LEVELS)} noise levels; penultimate",
        "value": value,
        "interval": None,
        "interval_method": "membership: DeLong over patients, for all moments together "
        "(Bonferroni); losses: t, over patients; near "
        "copies: exact, of images; distance: delete-a-group jackknife over patients and images",
        "floor": None,
        "n": {name: len(rows) for name, rows in part.items()} | {"synthetic": len(asked)},
        "note": "",
        "details": {"points": points, "unseen": QUANTILE, "advice": advice},
    }, {}


def _features(settings: Evaluation, seed: int, material: Material, hardware: Hardware):
    """A function that gives the own classifier's features of n×C×H×W images, n×D."""
    import torch

    features = extractor.open_extractor(settings, seed, material.models, hardware)[2]

    def found(images: np.ndarray) -> np.ndarray:
        with torch.inference_mode():
            blocks = [
                features(images[start : start + BLOCK]).float().cpu().numpy()
                for start in range(0, len(images), BLOCK)
            ]
        return np.concatenate(blocks)

    return found


def _drawn(
    material: Material, network: Path, asked: np.ndarray, seed: int, hardware: Hardware
) -> tuple[np.ndarray, np.ndarray]:
    """n×c×h×w latents and n×C×H×W images that the denoiser in the folder `network` makes, told what
    the real images `asked` are; the same noise for every network."""
    import torch

    from synthcohort.diffusion.sampling import load_schedule, walk
    from synthcohort.models import load_autoencoder, load_denoiser
    from synthcohort.models.pixels import denormalise, from_model

    device, models = hardware.open(), material.models
    decoder = load_autoencoder(models["autoencoder"]).to(device)
    denoiser, schedule = load_denoiser(network).to(device), load_schedule(models["diffusion"])
    hardware.prepare(denoiser, pays=False)
    told = conditions(material, asked)
    seeds = [derive(seed, "noise", place) for place in range(len(asked))]
    latents, images = [], []
    with torch.inference_mode():
        for start in range(0, len(asked), BLOCK):
            here = slice(start, start + BLOCK)
            batch = len(seeds[here])
            settings = Sampling(sampler="dpm-solver++", steps=STEPS, guidance=1, batch=batch)
            steps = walk(settings, denoiser, schedule, told[here], seeds[here])
            (last,) = deque(steps, maxlen=1)
            raw = denormalise(last, decoder.config)
            latents.append(raw.float().cpu().numpy())
            images.append(from_model(decoder.decode(raw).sample, material.cohort.images.dtype))
    return np.concatenate(latents), np.concatenate(images)
