"""Membership inference on the denoiser's loss (Carlini 2023, section 5.1; Matsumoto 2023): can
somebody who has the model and a patient's images tell that it was trained on them?

Two attacks, both declared before anything is measured. The *plain* one takes the loss itself: the
lower, the surer that the patient was trained on. But some images are easy for any network. The
*calibrated* one (Watson 2022) takes how much lower the loss is than that of a reference that knows
what is easy but has had less time to learn by heart: the same network's average weights as they
were after an eighth of the training. The value is the stronger attack's area under the ROC curve,
over patients: 0.5 without any leak, 1 where every train patient is told. It is a test of the model,
for attackers who have it; with the synthetic images alone one can do less, but what the model does
not hold they cannot show.
"""

from collections.abc import Mapping

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics.membership.denoiser_loss import chosen, losses, scores
from synthcohort.evaluation.metrics.membership.membership_figure import draw
from synthcohort.evaluation.metrics.membership.patient_auc import (
    chance,
    exposed,
    strongest,
    told_apart,
)
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.models import moments
from synthcohort.numerics.resampling import LEAST_PATIENTS
from synthcohort.seeds import derive

__all__ = ["CAPTION", "EXTRACTOR", "MEASURES", "MODELS", "draw", "measure"]

EXTRACTOR = None
MODELS = ("autoencoder", "diffusion", "latents")
MEASURES = (
    Measure(
        "membership",
        "Membership inference, AUC over patients",
        320,
        "privacy",
        "lower",
        "How well the denoiser's loss tells its train patients from patients it has not seen; AUC"
        " 0.5 is guessing, 1 gives every train patient away.",
        span=0.5,
    ),
    Measure(
        "membership.exposed",
        "Train patients exposed, no unseen one taken for one",
        321,
        "privacy",
        "lower",
        "The share of train patients that the denoiser's loss gives away for certain: it is more "
        "telling on them than on any of the unseen patients.",
        span=1.0,
    ),
    Measure(
        "membership.exposed_at_1_percent",
        "Train patients exposed at 1 % false positives",
        322,
        "privacy",
        "lower",
        "The share of train patients that are told where one in a hundred unseen patients is taken "
        "for a train patient.",
        span=1.0,
    ),
)
CAPTION = """\
Can it be told from the denoiser's loss that it was trained on a patient? Left: how surely each
patient is taken for a train patient by the stronger of two attacks (plain: the loss itself;
calibrated: how far it has fallen since an early moment of the training). Middle: the ROC curve,
with the control beside it: unseen patients (val) from other unseen ones (test). Right: the area
under the curve of both attacks at each noise level.

An area of 0.5 is chance, no leak; 1 means that every train patient is told. Patients count, not
images. These are attacks of somebody who holds the model. That they fail does not show that a
stronger one would.
"""
# Shares of T. Near t = 0 and near T all images are alike to the network; Carlini finds t of some
# 100 of 1000 the most telling, simulated brain MRI 200 to 300.
TIMES = (0.1, 0.2, 0.3)
NOISES = 1
IMAGES = 16
"""Most images of a patient that are taken: a patient's mean gains little from more of them."""
BY_CHANCE = 0.02
"""The share of the 5 % that a control may be off by: one in a thousand is no chance any more."""
METHOD = (
    "DeLong over patients, on the logit scale; of the strongest attack, each having its share of "
    "the 5 % (Bonferroni), so that the choice is paid for; the model is not trained again"
)


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """All patients of train against all of val and test (nothing is chosen by val), at most
    `settings.membership_patients` of each part.

    The floor is the control: the area of the same attack for val, as if it had been trained on,
    against test; without val, for random halves of the unseen patients. The details have both
    attacks, all noise levels, the exposed patients ("exposed", "exposed_at_1_percent", and their
    floors, the same of the control), and "p", the value's one-sided p by permutation. With too few
    patients "cannot_tell" says so.
    """
    seed = derive(seed, "evaluation", "membership")
    rows = {
        name: chosen(material, name, settings.membership_patients, IMAGES, seed)
        for name in ("train", "val", "test")
    }
    patients = material.cohort.patients
    every = np.concatenate([*rows.values()])
    *early, (_, trained) = moments(material.models["diffusion"]).items()
    taken = [
        losses(material, network, every, TIMES, NOISES, seed, hardware)
        for network in (trained, *(path for _, path in early[:1]))
    ]
    of = scores(taken[0], taken[1] if early else None, patients[every])
    parts = _places({name: patients[part] for name, part in rows.items()})
    unseen = np.concatenate([parts["val"], parts["test"]])
    control = [parts["val"], parts["test"]]
    if min(map(len, control)) < LEAST_PATIENTS:
        shuffled = np.random.default_rng(derive(seed, "halves")).permutation(unseen)
        control = np.array_split(shuffled, 2)
    sides = {"attack": (parts["train"], unseen), "control": tuple(control)}

    def compared(side: str, attack: str, level: int | None = None) -> list[np.ndarray]:
        values = of[attack].mean(0) if level is None else of[attack][level]
        return [values[places] for places in sides[side]]

    best, figure = strongest({name: compared("attack", name) for name in of})
    score = {side: compared(side, best) for side in sides}
    details = {
        "attack": best,
        "attacks": list(of),
        "reference_images_seen": early[0][0] if early else None,
        # Of the attack that was found to be the strongest, so Bonferroni here as well.
        "p": min(1.0, len(of) * chance(*score["attack"], derive(seed, "permutation"))),
        "noise_levels": [
            {"share_of_T": time}
            | {name: told_apart(*compared("attack", name, level)) for name in of}
            for level, time in enumerate(TIMES)
        ],
        "unseen": {name: len(parts[name]) for name in ("val", "test")},
        "control": "val against test" if control[0] is parts["val"] else "halves of the unseen",
    }
    for name in of:
        details |= {name: told_apart(*compared("attack", name))}
        details |= {f"floor_{name}": told_apart(*compared("control", name))}
    for name, share in (("exposed", 0.0), ("exposed_at_1_percent", 0.01)):
        details |= {name: exposed(*score["attack"], share)}
        details |= {f"floor_{name}": exposed(*score["control"], share)}
    result = {
        "extractor": "this system's denoiser",
        "layer": f"loss at {len(TIMES)} noise levels",
        **figure,
        "interval_method": METHOD,
        "floor": details[f"floor_{best}"],
        "expected": 0.5,
        "n": {name: len(part) for name, part in rows.items()},
        "patients": {"train": len(parts["train"]), "unseen": len(unseen)},
        # Real images of every label take part.
        "note": warning(details[f"floor_{best}"], details["control"]),
        "details": details,
    }
    sure = told_apart(*score["control"], BY_CHANCE)["interval"]
    if not sure[0] <= 0.5 <= sure[1]:
        result["cannot_tell"] = (
            "the same attack tells unseen patients from other unseen patients, which chance does "
            "once in a thousand: the parts of the split differ in more than the training, and how "
            "much of the figure that is cannot be known"
        )
    if (fewest := min(len(parts["train"]), len(unseen))) < LEAST_PATIENTS:
        result["cannot_tell"] = (
            f"only {fewest} patients of {'train' if len(unseen) > fewest else 'val and test'} can "
            f"be compared, where this test needs at least {LEAST_PATIENTS} on either side"
        )
    return result, {name: of[best].mean(0)[places] for name, places in parts.items()}


def warning(control: Mapping, what: str) -> str:
    """What it means for the figure where chance does not explain the control; "" where it does."""
    low, high = control["interval"]
    if low <= 0.5 <= high:
        return ""
    off = abs(control["value"] - 0.5)
    return (
        f"The control ({what}), which nothing was trained on, should be 0.5 and is "
        f"{control['value']:.3g} [{low:.3g}, {high:.3g}]. Between patients who differ in nothing "
        "chance does that in one run of twenty; if these differ in more than the training, the "
        f"figure may be wrong by some {off:.2f} to either side. Another split (seed) would tell."
    )


def _places(patients: Mapping[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The places of each part's patients among all patients in the order of their ids."""
    parts = {name: np.unique(ids) for name, ids in patients.items()}
    names = np.unique(np.concatenate([*parts.values()]))
    return {name: np.searchsorted(names, ids) for name, ids in parts.items()}
