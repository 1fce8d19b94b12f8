"""Subgroups of patients: are the images as like, as useful and as safe for each of them?

A figure of all patients hides the group that is served worst. Groups are made of the label and of
every attribute of the manifest (`groups`). Of each there is

- fidelity: the Fréchet distance of its synthetic images (those asked for it) from its real test
  images in the features of this cohort's own classifier, with the same of its real train images as
  the floor, the two of equal number;
- utility: how well its test patients are told by a network trained on real images, and by one
  trained on as many synthetic ones (`utility`);
- privacy: the area under the ROC curve of "nearer to a synthetic image" for its train patients
  against its test patients, pixels averaged to at most 16×16: 0.5 without a leak.

The value is the largest loss of utility of any group from real to synthetic training. The worst of
many is bad by chance: its interval holds for all groups together (Bonferroni), and the floor is the
largest loss of any group from one real training to another, of other patients where there are more.
"""

from collections.abc import Mapping

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation.estimation import frechet
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.evaluation.metrics.subgroups.patient_groups import Group, groups, within
from synthcohort.evaluation.metrics.subgroups.subgroups_figure import draw
from synthcohort.evaluation.metrics.utility.judgement import cannot_tell, chance, judged
from synthcohort.evaluation.metrics.utility.tasks import scores, tasks
from synthcohort.evaluation.metrics.utility.training import Bench
from synthcohort.evaluation.sets import FEWEST_PATIENTS
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.neighbours import nearest
from synthcohort.numerics.resampling import (
    CONFIDENCE,
    bootstrap_weights,
    interval_of_share,
    percentile_interval,
)
from synthcohort.numerics.scores import accuracy, auc
from synthcohort.samples import shards
from synthcohort.seeds import derive

__all__ = ["CAPTION", "EXTRACTOR", "MEASURES", "draw", "measure"]

EXTRACTOR = "classifier"
MODELS = ("classifier",)
MEASURES = (
    Measure(
        "subgroups",
        "Subgroups, largest loss of utility",
        225,
        "utility",
        "lower",
        "How much worse the patients of the worst served group (by label or attribute) are told "
        "by a network trained on synthetic images than by one trained on as many real ones.",
    ),
)
CAPTION = """\
The same questions for each group of patients, by label and by every attribute of the cohort:
fidelity (Fréchet distance in the features of the cohort's own classifier, beside its floor),
utility (how its test patients are told by a network trained on real and by one trained on
synthetic images) and privacy (whether its train patients lie nearer to synthetic images than its
test patients; 0.5 is chance). Bars are 95 % intervals over patients.

A group whose intervals are wide has too few patients to say that it is served alike. Groups with
fewer patients than an interval needs are listed without figures.
"""
LEAST_IMAGES = 20
SIDE = 16
Figure = dict


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "details" has "groups", a list of {"of", "name", "patients", "fidelity", "real",
    "synthetic", "loss", "floor_loss", "privacy"}; a figure that too few patients or images are
    there for is None, and "lacks" says so."""
    data, sampled = material.cohort, shards.describe(material.samples)
    there = groups(data, sampled, material.label_names)
    asked = tasks(data, sampled)
    if not there or not asked:
        return not_applicable(
            "Subgroups do not apply: the images have neither two labels nor an attribute that "
            "varies, so there are no groups to tell apart."
        ), {}
    seed = derive(seed, "evaluation", "subgroups")
    with shards.mapped(material.samples, material.work) as synthetic:
        bench = Bench(
            asked[0],
            data,
            synthetic,
            sampled.index,
            settings.classifier_images,
            derive(seed, "utility"),
            hardware,
        )
        n = min(len(bench.train), len(bench.made))
        answers = {
            "real": bench.answers(bench.part(n, 0), 0, "Subgroups, real"),
            "real_again": bench.answers(bench.part(n, 1), 1, "Subgroups, real again"),
            "synthetic": bench.answers(bench.made[:n], 0, "Subgroups, synthetic"),
        }
        near = _nearest(data.images, synthetic, hardware)
        why = _cannot_tell(bench, answers["real"], seed)
    found = [_of(group, bench, answers, near, material, len(there), seed) for group in there]
    losses = [entry for entry in found if entry["loss"]]
    if not losses:
        fewest = f"at least {FEWEST_PATIENTS} test patients"
        return not_applicable(f"Subgroups do not apply: no group has {fewest}."), {}
    worst = max(losses, key=lambda entry: entry["loss"]["value"])
    floor = max((entry["floor_loss"] for entry in losses), key=lambda loss: loss["value"])
    result = {
        "value": worst["loss"]["value"],
        "interval": worst["loss"]["of_all"],
        "interval_method": "bootstrap over test patients, percentiles, at a confidence that holds "
        f"for all {len(losses)} groups together (Bonferroni); nothing is trained again",
        "floor": {"value": floor["value"], "interval": floor["of_all"]},
        "n": {"train": n, "test": len(bench.test), "synthetic": n},
        "note": "",
        "measure": _measure(bench),
        "details": {"groups": found, "worst": f"{worst['of']}: {worst['name']}".strip(": ")},
    }
    return result | ({"cannot_tell": why} if why else {}), {}


def _cannot_tell(bench: Bench, real: np.ndarray, seed: int) -> str | None:
    """Why nothing can be told of any group: real images do not teach the task either."""
    weights = bootstrap_weights(bench.data.patients[bench.test], derive(seed, "all"))
    of_all, _ = judged(bench, [real], bench.task.real[bench.test], weights)
    return cannot_tell(bench, {"all_real": of_all, "chance": chance(bench)})


def _of(
    group: Group,
    bench: Bench,
    answers: Mapping[str, np.ndarray],
    near: np.ndarray,
    material: Material,
    several: int,
    seed: int,
) -> dict:
    """All that is found of one group."""
    data, seed = material.cohort, derive(seed, group.of, group.name)
    rows = {name: data.of(name)[group.real[data.of(name)]] for name in ("train", "test")}
    patients = {name: len(set(data.patients[of])) for name, of in rows.items()}
    found: dict = {"of": group.of, "name": group.name, "patients": patients, "lacks": []}
    found |= dict.fromkeys(("fidelity", "real", "synthetic", "loss", "privacy"))
    few = [name for name, count in patients.items() if count < FEWEST_PATIENTS]
    if few:
        found["lacks"] = [f"{patients[name]} {name} patients" for name in few]
        return found
    part = within(material, group)
    if (least := min(len(one.images) for one in part.sets.values())) < LEAST_IMAGES or any(
        len(set(part.sets[name].patients)) < FEWEST_PATIENTS for name in ("train", "test")
    ):
        found["lacks"].append(f"fidelity: {least} images compared")
    else:
        found["fidelity"] = frechet.compare(derive(seed, "fidelity"), part)
    found |= _utility(group.real[bench.test], bench, answers, several, derive(seed, "utility"))
    return found | {"privacy": _privacy(near, rows, data.patients, derive(seed, "privacy"))}


def _utility(
    here: np.ndarray, bench: Bench, answers: Mapping[str, np.ndarray], several: int, seed: int
) -> dict[str, Figure]:
    """What both trainings reach on the group's test images, and the loss from one to the other."""
    test = bench.test[here]
    units = bench.data.patients[test]
    if len(set(units)) < FEWEST_PATIENTS:
        return {}
    score = accuracy if bench.task.kind == "label" else scores(bench.task)["value"]
    truth, once = bench.task.real[test], np.ones((1, len(test)))
    weights, found, drawn = bootstrap_weights(units, seed), {}, {}
    for name, said in answers.items():
        value = float(score(said[here], truth, once)[0])
        if not np.isfinite(value):  # not defined: all images of the group have the same finding
            return {}
        drawn[name] = score(said[here], truth, weights)
        interval = percentile_interval(drawn[name])
        if bench.task.better == "higher":
            interval = interval_of_share(value, drawn[name], len(set(units)))
        found[name] = {"value": value, "interval": interval}
    tail = (1 - CONFIDENCE) / 2 / several

    def loss(name: str) -> Figure:
        sign = 1 if bench.task.better == "higher" else -1
        lost = sign * (drawn["real"] - drawn[name])
        return {
            "value": sign * (found["real"]["value"] - found[name]["value"]),
            "interval": percentile_interval(lost),
            "of_all": [float(x) for x in np.nanquantile(lost, [tail, 1 - tail])],
        }

    return found | {"loss": loss("synthetic"), "floor_loss": loss("real_again")}


def _privacy(near: np.ndarray, rows: Mapping[str, np.ndarray], of: np.ndarray, seed: int) -> Figure:
    """How well the distance to the nearest synthetic image tells train from test patients."""
    distance, member = [], []
    for name, images in rows.items():
        _, patient = np.unique(of[images], return_inverse=True)
        least = np.full(patient.max() + 1, np.inf)
        np.minimum.at(least, patient, near[images])
        distance.append(least)
        member.append(np.full(len(least), int(name == "train")))
    score, truth = -np.concatenate(distance), np.concatenate(member)
    weights = bootstrap_weights(np.arange(len(truth)), seed)
    value = float(auc(score, truth, np.ones((1, len(truth))))[0])
    cases = min(np.bincount(truth))
    return {"value": value, "interval": interval_of_share(value, auc(score, truth, weights), cases)}


def _nearest(images: np.ndarray, synthetic: np.ndarray, hardware: Hardware) -> np.ndarray:
    """Of every real image the distance to the nearest synthetic one, N float64."""
    small = [_small(of) for of in (images, synthetic)]
    return nearest(*small, hardware)[0]


def _small(images: np.ndarray) -> np.ndarray:
    """N×D float32 in grey values from 0 to 1: pixels averaged over blocks, at most 16×16 a
    channel."""
    from skimage.measure import block_reduce

    height, width = images.shape[2:]
    block = (1, 1, -(-height // SIDE), -(-width // SIDE))
    parts = []
    for start in range(0, len(images), 256):
        part = images[start : start + 256].astype(np.float32) / np.iinfo(images.dtype).max
        parts.append(block_reduce(part, block, np.mean).reshape(len(part), -1))
    return np.concatenate(parts).astype(np.float32)


def _measure(bench: Bench) -> str:
    return "accuracy" if bench.task.kind == "label" else bench.task.measure
