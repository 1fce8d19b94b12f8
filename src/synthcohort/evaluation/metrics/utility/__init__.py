"""Utility: is a network that was trained on synthetic images as good on real patients as one that
was trained on real images (train on synthetic, test on real; Esteban 2017)?

The same small network is trained on N real train images and on N synthetic ones, N the smaller of
the two numbers, on fewer of both, on N real images that have gone through the autoencoder, on all
real images, on all of both, and on a quarter of the real train patients without and with synthetic
images. Every label and origin is learnt from equally often; every training goes on until it holds
still on patients (or synthetic images) held out of its own images, and all are tested on all real
test images. The value is that of N synthetic images alone. Its "floor" is the reference: N real
train images alone; synthetic images that are worth as much reach it. What is measured depends on
the cohort (`tasks`): balanced accuracy of the label, the mean AUC over findings, or the mean
absolute error of a number, which is to be low while the others are to be high.
"""

from collections.abc import Callable
from dataclasses import replace

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.evaluation import covered
from synthcohort.evaluation.decoded import decoded
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.evaluation.metrics.utility.judgement import (
    cannot_tell,
    chance,
    difference,
    judged,
    plain,
)
from synthcohort.evaluation.metrics.utility.tasks import tasks
from synthcohort.evaluation.metrics.utility.training import Bench
from synthcohort.evaluation.metrics.utility.utility_figure import draw
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights
from synthcohort.numerics.scores import reliability
from synthcohort.samples import shards
from synthcohort.seeds import derive

__all__ = ["CAPTION", "EXTRACTOR", "MEASURES", "draw", "measure"]

EXTRACTOR = None
MODELS = ("autoencoder",)
MEASURES = (
    Measure(
        "utility",
        "Utility, trained on synthetic",
        190,
        "utility",
        "higher",
        "A classifier trained on synthetic images only, tested on real test patients; the floor "
        "is the same classifier trained on as many real images.",
        span=0.5,
    ),
    Measure(
        "utility.auc",
        "Utility, trained on synthetic, AUC",
        195,
        "utility",
        "higher",
        "The same as the area under the ROC curve, which does not depend on where the classifier "
        "sets its threshold.",
        span=0.5,
    ),
    Measure(
        "utility.both",
        "Utility, trained on real and synthetic",
        200,
        "utility",
        "higher",
        "The same, trained on real and synthetic images together.",
        span=0.5,
    ),
    Measure(
        "utility.few_and_synthetic",
        "Utility, few real patients and synthetic (floor: the few)",
        210,
        "utility",
        "higher",
        "What a user with few patients gains: trained on those and the synthetic images; the "
        "floor is those few alone.",
        span=0.5,
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
What the synthetic images are worth as training material. The same small network is trained on as
many synthetic as real images (N), on real images that have gone through the autoencoder (what that
alone costs), on all real ones, on both together, and on a quarter of the real train patients
without and with synthetic images; each training goes on until it gets no better, and all are tested
on the real test patients. Bars are means over trainings with 95 % intervals over test patients.

Synthetic images that reach the bar of as many real ones can replace them for this task. Whether it
pays to add them shows where "few real and synthetic" stands against "few real patients". Middle:
how it depends on the number of images. Right: how far what the networks say can be believed; below
the diagonal they are surer than they may be.
"""
SEEDS = 2
FEW = 4
"""One real train patient in so many is among the few."""
PARTS = (4, 2)
"""Points of the curve: N over these, and N itself."""
METHOD = (
    f"bootstrap over test patients of the mean over {SEEDS} trainings, percentiles; the generative "
    "model is not trained again"
)

Rows = Callable[[int], np.ndarray]


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """ "details" has every training by name ("synthetic" and "real" of equal number, "decoded",
    "all_real", "all_synthetic" where there are more, "both", "few", "few_and_synthetic"), what
    synthetic images add to real ones ("augmentation", "few_augmentation"), the "curve" over the
    number of either, and "number" where the cohort has a number beside its label."""
    sampled = shards.describe(material.samples)
    asked = tasks(material.cohort, sampled)
    if not asked:
        return not_applicable(
            "Utility does not apply: the images have neither two labels nor an attribute that "
            "varies in train and test, so there is nothing to train a network for.",
        ), {}
    seed, found, arrays = derive(seed, "evaluation", "utility"), [], {}
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
            n = min(len(bench.train), len(bench.made))
            of = np.unique(np.concatenate([bench.part(n, k) for k in range(SEEDS)]))
            with decoded(material, of, hardware) as through:
                bench = replace(bench, through=through, through_rows=of)
                result, reliable = _measured(bench, n, whole=task is asked[0])
            found.append(result)
            arrays = arrays or reliable
    result, *beside = found
    for number in beside:
        result["details"] |= {
            "number": plain(number) | {key: number[key] for key in ("measure", "better")},
            "floor_number": number["floor"],
            "number_both": number["details"]["both"],
        }
    return result, arrays


def _measured(bench: Bench, n: int, whole: bool) -> tuple[dict, dict[str, np.ndarray]]:
    """The result for one task at equal numbers `n`; with few patients and the curve if it is to be
    `whole`. Besides the reliability of the label's networks, by what they were trained on."""
    real, made, test = bench.train, bench.made, bench.test
    patients = bench.data.patients
    rows: dict[str, Rows] = {
        "synthetic": lambda _: made[:n],
        "real": lambda k: bench.part(n, k),
        "all_real": lambda _: real,
        "both": lambda _: np.concatenate([real, made]),
    }
    if n < len(made):
        rows["all_synthetic"] = lambda _: made
    if bench.through is not None:
        rows["decoded"] = lambda k: bench.decoded(bench.part(n, k))
    points = sorted({max(1, n // part) for part in PARTS} - {n}) if whole else []
    for m in points:
        rows[f"synthetic {m}"] = lambda _, m=m: made[:m]
        rows[f"real {m}"] = lambda k, m=m: bench.part(m, k)
    if whole:
        few = [bench.few(FEW, k) for k in range(SEEDS)]
        rows["few"] = lambda k: few[k]
        rows["few_and_synthetic"] = lambda k: np.concatenate([few[k], made])
    weights = bootstrap_weights(patients[test], derive(bench.seed, "bootstrap"))
    truth, by_name, drawn, reliable = bench.task.real[test], {}, {}, {}
    for name, of in rows.items():
        if name == "all_real" and n == len(real):  # as many: the same training
            by_name[name], drawn[name] = by_name["real"], drawn["real"]
            continue
        answers = [
            bench.answers(of(k), k, f"Utility, {name.replace('_', ' ')}, {k + 1} of {SEEDS}")
            for k in range(SEEDS)
        ]
        by_name[name], drawn[name] = judged(bench, answers, truth, weights)
        if bench.task.kind == "label" and name in ("synthetic", "real", "decoded"):
            sure = np.concatenate([said.max(1) for said in answers])
            right = np.concatenate([said.argmax(1) == truth for said in answers])
            reliable[name] = reliability(sure, right)
    headline = {name: plain(of) for name, of in by_name.items()}
    result = {
        "extractor": f"small CNN, trained {SEEDS} times until it holds still, on at most "
        f"{bench.images_seen} images seen",
        "layer": None,
        "measure": bench.task.measure,
        "better": bench.task.better,
        **headline["synthetic"],
        "interval_method": METHOD,
        "floor": headline["real"],
        "n": {"train": n, "test": len(test), "synthetic": n},
        "patients": {
            name: len(set(patients[of])) for name, of in (("train", real), ("test", test))
        },
    }
    if "decoded" in headline:
        result["decoded"] = headline["decoded"]
    details = {name: of for name, of in by_name.items() if name not in _points(points)}
    details |= {
        "available": {"train": len(real), "synthetic": len(made)},
        "floor_both": headline["all_real"],
        "above_floor": difference("synthetic", "real", by_name, drawn),
        "augmentation": difference("both", "all_real", by_name, drawn),
        "chance": chance(bench),
    }
    if "decoded" in headline:
        details["above_decoded"] = difference("synthetic", "decoded", by_name, drawn)
    if bench.task.kind == "label":
        # Not those of the three sets: all test images take part.
        there = {bench.task.names[i] for i in set(bench.task.real[test].tolist())}
        result["note"] = covered.note(bench.data.label_names, there)
        # Its title says what it is; the result's "measure" is another one.
        auc = by_name["synthetic"]["auc"] | {"measure": ""}
        details |= {"auc": auc, "floor_auc": by_name["real"]["auc"]}
    if whole:
        details["floor_few_and_synthetic"] = headline["few"]
        details["few_augmentation"] = difference("few_and_synthetic", "few", by_name, drawn)
        details["few_patients"] = [len(set(patients[chosen])) for chosen in few]
        details["curve"] = [
            {"images": m} | {name: headline[f"{name} {m}"] for name in ("synthetic", "real")}
            for m in points
        ] + [{"images": n} | {name: headline[name] for name in ("synthetic", "real")}]
    if why := cannot_tell(bench, details):
        result["cannot_tell"] = why
    return result | {"details": details}, reliable


def _points(points: list[int]) -> set[str]:
    return {f"{name} {m}" for m in points for name in ("synthetic", "real")}
