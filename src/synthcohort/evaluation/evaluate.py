"""The evaluation stage: one metric, one result file in the one format; no figures yet.

Metrics that measure in the same features are one job: a start of torch costs more than most.
"""

import sys
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.config import Evaluation
from synthcohort.evaluation import covered, metrics
from synthcohort.evaluation.estimation import autoencoder_alone
from synthcohort.evaluation.estimation.floors import HELD_AGAINST
from synthcohort.evaluation.features import open_features
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.records import write_record
from synthcohort.evaluation.sets import NAMES, open_sets
from synthcohort.hardware import Hardware
from synthcohort.numerics.resampling import CONFIDENCE
from synthcohort.tracking.journal import Journal


def evaluate(
    settings: Evaluation,
    *,
    metric: Sequence[str],
    seed: int,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    sets: Path,
    features: Path | None,
    out: Path,
    hardware: Hardware,
    journal: Journal,
    decoded: Path | None = None,
    beside: Path | None = None,
    **models: Path | None,
) -> None:
    """Measure every `metric` (names in `metrics.names()`) on the images chosen in `sets`.

    `features` is the file of the metrics' one extractor (`metrics.module(metric).EXTRACTOR`), None
    where they have none; `beside` the same of their second one (`metrics.beside`); `models` are the
    folders they need (`metrics.models`). Writes `out`/<metric>.json, and `out`/<metric>.npz for its
    figure, for each. Apart from the field
    "seconds" both depend on the arguments alone.

    Raises:
        UserError: the files do not belong together.
    """
    opened, label_names = open_sets(
        sets, cohort=cohort, split=split, samples=samples, decoded=decoded
    )
    about, values = {"extractor": None, "layer": None}, {}
    if features is not None:
        values, about = open_features(features, opened)
    material = Material(
        sets=opened,
        label_names=label_names,
        features=values,
        beside={} if beside is None else open_features(beside, opened)[0],
        cohort=open_cohort(cohort, split),
        samples=samples,
        models={name: path for name, path in models.items() if path is not None},
        about=about,
        work=out,
    )
    out.mkdir(parents=True, exist_ok=True)
    for name in metric:
        start = time.monotonic()
        result, arrays = measured(name, settings, seed=seed, material=material, hardware=hardware)
        seconds = round(time.monotonic() - start, 1)
        write_record(out / f"{name}.json", result | {"seconds": seconds}, arrays)
        _note(journal, name, result)


def measured(
    name: str, settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The whole result of a metric, and the arrays that its figure needs beside it."""
    sets = material.sets
    n = {origin: len(part.images) for origin, part in sets.items() if origin in NAMES}
    patients = {origin: len(set(sets[origin].patients)) for origin in ("train", "test")}
    found, arrays = metrics.module(name).measure(
        settings, seed=seed, material=material, hardware=hardware
    )
    compared = {material.label_names[i] for i in set(sets["test"].classes.tolist())}
    note = covered.note(material.label_names, compared)
    result = {**material.about, "n": n, "patients": patients, "note": note} | found
    if not result["note"]:
        del result["note"]
    return result | {"metric": name, "confidence": CONFIDENCE, "seed": seed}, arrays


def _note(journal: Journal, name: str, result: dict) -> None:
    """What there is of value and interval and of what they are held against; nothing where the
    metric does not apply. A warning of what the autoencoder alone costs goes to the log as well."""
    low, high = result["interval"] or (None, None)
    figures = {name: result["value"], f"{name}_low": low, f"{name}_high": high}
    for key in HELD_AGAINST.values():
        figures[f"{name}_{key}"] = (result.get(key) or {}).get("value")
    if alone := result["details"].get("autoencoder"):
        figures[f"{name}_autoencoder_over_floor"] = (alone["over_floor"] or {}).get("value")
        alone = {"cannot_tell": result.get("cannot_tell")} | alone
        if told := autoencoder_alone.warning({name: alone}):
            print(f"Warning: {told}", file=sys.stderr)
    journal.result(**{key: value for key, value in figures.items() if value is not None})
