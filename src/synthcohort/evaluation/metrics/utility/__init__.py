"""Utility: is a network that was trained on synthetic images as good on real patients as one that
was trained on real images (train on synthetic, test on real; Esteban 2017)?

The same small network is trained on real train images, on synthetic ones, on both, and on a quarter
of the real train patients without and with synthetic images. All trainings see equally many images,
every label and origin equally often, and all are tested on all real test images. The value is that
of synthetic images alone. Its "floor" is the reference: real train images alone; synthetic images
that are worth as much reach it. What is measured depends on the cohort (`tasks`): balanced accuracy
of the label, the mean AUC over findings, or the mean absolute error of a number, which is to be low
while the others are to be high.
"""

from collections.abc import Callable, Mapping
from functools import partial

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation import covered
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.evaluation.metrics.utility.tasks import scores, tasks
from synthcohort.evaluation.metrics.utility.training import Bench
from synthcohort.evaluation.metrics.utility.utility_figure import draw
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.numerics.scores import Score, recall
from synthcohort.samples import shards
from synthcohort.seeds import derive

__all__ = ["CAPTION", "EXTRACTOR", "MEASURES", "draw", "measure"]

EXTRACTOR = None
MEASURES = (
    Measure(
        "utility",
        "Utility, trained on synthetic",
        190,
        "utility",
        "higher",
        "A classifier trained on synthetic images only, tested on real test patients; the floor "
        "is the same classifier trained on real images for as many steps.",
    ),
    Measure(
        "utility.both",
        "Utility, trained on real and synthetic",
        200,
        "utility",
        "higher",
        "The same, trained on real and synthetic images together.",
    ),
    Measure(
        "utility.few_and_synthetic",
        "Utility, few real patients and synthetic (floor: the few)",
        210,
        "utility",
        "higher",
        "What a user with few patients gains: trained on those and the synthetic images; the "
        "floor is those few alone.",
    ),
    Measure(
        "utility.number",
        "Utility, trained on synthetic",
        220,
        "utility",
        "lower",
        "The same for a number that the images were asked for: its error.",
    ),
)
CAPTION = """\
What the synthetic images are worth as training material. The same small network is trained on real
train images, on synthetic ones, on both, and on a quarter of the real train patients without and
with synthetic images; all trainings see equally many images, and all are tested on the real test
patients. Bars are means over three trainings with 95 % intervals over test patients.

Synthetic images that reach the bar of the real ones can replace them for this task. Whether it pays
to add them shows where "few real and synthetic" stands against "few real patients". Right: how it
depends on the number of synthetic images; what of the curve is missing would need more of them
(sampling.images).
"""
SEEDS = 3
FEW = 4
"""One real train patient in so many is among the few."""
TIMES = (0.5, 1, 2, 5)
"""Points of the curve: synthetic images over real train images."""
METHOD = (
    f"bootstrap over test patients of the mean over {SEEDS} trainings, percentiles; the generative "
    "model is not trained again"
)

Rows = Callable[[int], np.ndarray]


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "details" has every training by name ("real", "both", "few", "few_and_synthetic"), what
    synthetic images add to real ones ("augmentation", "few_augmentation"), the "curve" over their
    number, and "number" where the cohort has a number beside its label."""
    sampled = shards.describe(material.samples)
    asked = tasks(material.cohort, sampled)
    if not asked:
        return not_applicable(
            "Utility does not apply: the images have neither two labels nor an attribute that "
            "varies in train and test, so there is nothing to train a network for.",
        ), {}
    seed, found = derive(seed, "evaluation", "utility"), []
    with shards.mapped(material.samples, material.work) as synthetic:
        for task in asked:
            bench = Bench(
                task,
                material.cohort,
                synthetic,
                sampled.index,
                settings.classifier_images,
                derive(seed, task.kind),
                hardware,
            )
            found.append(_measured(bench, whole=task is asked[0]))
    result, *beside = found
    for number in beside:
        result["details"] |= {
            "number": _plain(number) | {key: number[key] for key in ("measure", "better")},
            "floor_number": number["floor"],
            "number_both": number["details"]["both"],
        }
    return result, {}


def _measured(bench: Bench, whole: bool) -> dict:
    """The result for one task; with few patients and the curve if it is to be `whole`."""
    real, made, test = bench.train, bench.made, bench.test
    patients = bench.data.patients
    rows: dict[str, Rows] = {
        "real": lambda _: real,
        "synthetic": lambda _: made,
        "both": lambda _: np.concatenate([real, made]),
    }
    counts = {times: round(times * len(real)) for times in TIMES}
    if whole:
        few = [bench.few(FEW, k) for k in range(SEEDS)]
        rows["few"] = lambda k: few[k]
        rows["few_and_synthetic"] = lambda k: np.concatenate([few[k], made])
        rows |= {
            f"×{times:g}": lambda _, n=n: made[:n] for times, n in counts.items() if n < len(made)
        }
    weights = bootstrap_weights(patients[test], derive(bench.seed, "bootstrap"))
    truth, by_name, drawn = bench.task.real[test], {}, {}
    for name, of in rows.items():
        answers = [
            bench.answers(of(k), k, f"Utility, {name.replace('_', ' ')}, {k + 1} of {SEEDS}")
            for k in range(SEEDS)
        ]
        by_name[name], drawn[name] = _judged(bench, answers, truth, weights)
    headline = {name: _plain(of) for name, of in by_name.items()}
    result = {
        "extractor": f"small CNN, trained {SEEDS} times on {bench.images_seen} images each",
        "layer": None,
        "measure": bench.task.measure,
        "better": bench.task.better,
        **headline["synthetic"],
        "interval_method": METHOD,
        "floor": headline["real"],
        "n": {"train": len(real), "test": len(test), "synthetic": len(made)},
        "patients": {
            name: len(set(patients[of])) for name, of in (("train", real), ("test", test))
        },
        "details": by_name | {"floor_both": headline["real"]},
    }
    if bench.task.kind == "label":
        # Not those of the three sets: all test images take part.
        there = {bench.task.names[i] for i in set(bench.task.real[test].tolist())}
        result["note"] = covered.note(bench.data.label_names, there)
    details = result["details"]
    details["augmentation"] = _difference("both", "real", by_name, drawn)
    if whole:
        details["floor_few_and_synthetic"] = headline["few"]
        details["few_augmentation"] = _difference("few_and_synthetic", "few", by_name, drawn)
        details["few_patients"] = [len(set(patients[chosen])) for chosen in few]
        details["curve"] = _curve(details, counts, len(real), len(made))
        details["curve_lacks"] = {
            f"×{times:g}": f"{n} synthetic images are needed, {len(made)} are there"
            for times, n in counts.items()
            if n > len(made)
        }
        details["chance"] = _chance(bench)
    return result


def _judged(
    bench: Bench, answers: list[np.ndarray], truth: np.ndarray, weights: np.ndarray
) -> tuple[dict, np.ndarray]:
    """The figures of one training's repetitions, and the bootstrap draws of the main one."""

    def over_seeds(score: Score, w: np.ndarray) -> np.ndarray:
        return np.mean([score(said, truth, w) for said in answers], axis=0)

    def figure(score: Score) -> dict:
        value = over_seeds(score, np.ones((1, len(truth))))[0]
        if not np.isfinite(value):  # not defined: a class that no test image has
            return {"value": None, "interval": None}
        interval = percentile_interval(over_seeds(score, weights))
        return {"value": float(value), "interval": interval}

    of_task = scores(bench.task)
    main = of_task.pop("value")
    once = np.ones((1, len(truth)))
    found = figure(main) | {name: figure(score) for name, score in of_task.items()}
    found["by_seed"] = [float(main(said, truth, once)[0]) for said in answers]
    if bench.task.kind == "label":
        found["recall"] = {
            name: figure(partial(recall, label=label))
            for label, name in enumerate(bench.task.names)
        }
    return found, over_seeds(main, weights)


def _plain(figure: Mapping) -> dict:
    return {key: figure[key] for key in ("value", "interval")}


def _difference(
    first: str, second: str, by_name: Mapping[str, dict], drawn: Mapping[str, np.ndarray]
) -> dict:
    """`first` less `second`, with the interval of the difference on the same test patients."""
    return {
        "value": by_name[first]["value"] - by_name[second]["value"],
        "interval": percentile_interval(drawn[first] - drawn[second]),
    }


def _curve(details: dict, counts: Mapping[float, int], real: int, made: int) -> list[dict]:
    """The points by number of synthetic images, ending with all; they move here from `details`."""
    points = [
        {"times": times, "images": n} | details.pop(f"×{times:g}")
        for times, n in counts.items()
        if n < made
    ]
    return [*points, {"times": made / real, "images": made} | details["synthetic"]]


def _chance(bench: Bench) -> float:
    """What an answer that does not look at the image reaches."""
    if bench.task.kind == "label":
        return 1 / len(np.unique(bench.task.real[bench.test]))
    if bench.task.kind == "findings":
        return 0.5
    mean = bench.task.real[bench.train].mean()
    return float(np.abs(bench.task.real[bench.test] - mean).mean())
