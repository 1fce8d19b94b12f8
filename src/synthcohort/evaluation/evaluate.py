"""The evaluation stage: one metric, one result file in the one format, one figure.

Metrics that measure in the same features are one job: a start of torch costs more than most.
"""

import time
from collections.abc import Sequence
from pathlib import Path

from synthcohort.cohort import open_cohort
from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation import covered, metrics
from synthcohort.evaluation.features import open_features
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.resampling import CONFIDENCE
from synthcohort.evaluation.sets import open_sets
from synthcohort.files import write_json
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
    figures: Path,
    hardware: Hardware,
    journal: Journal,
    **models: Path | None,
) -> None:
    """Measure every `metric` (names in `metrics.names()`) on the images chosen in `sets`.

    `features` is the file of the metrics' one extractor (`metrics.module(metric).EXTRACTOR`), None
    where they have none; `models` are the folders they need (`metrics.models`). Writes
    `out`/<metric>.json and `figures`/<metric>.png for each. Apart from the field "seconds" both
    depend on the arguments alone.

    Raises:
        UserError: the files do not belong together.
    """
    opened, label_names = open_sets(sets, cohort=cohort, split=split, samples=samples)
    about, values = {"extractor": None, "layer": None}, {}
    if features is not None:
        values, about = open_features(features, opened)
    material = Material(
        opened,
        label_names,
        values,
        open_cohort(cohort, split),
        samples,
        {name: path for name, path in models.items() if path is not None},
    )
    compared = {label_names[i] for i in set(opened["test"].classes.tolist())}
    note = covered.note(label_names, compared)
    n = {name: len(part.images) for name, part in opened.items()}
    patients = {name: len(set(opened[name].patients)) for name in ("train", "test")}
    for name in metric:
        start = time.monotonic()
        figure = figures / f"{name}.png"
        found = metrics.module(name).measure(
            settings, seed=seed, material=material, figure=figure, hardware=hardware
        )
        result = about | {"n": n, "patients": patients, "note": note} | found
        if not result["note"]:
            del result["note"]
        result |= {"metric": name, "confidence": CONFIDENCE, "seed": seed}
        write_json(out / f"{name}.json", result | {"seconds": round(time.monotonic() - start, 1)})
        _note(journal, name, result)
        journal.figure(figure)


def _note(journal: Journal, name: str, result: dict) -> None:
    """What there is of value, interval and floor; nothing where the metric does not apply."""
    low, high = result["interval"] or (None, None)
    floor = (result["floor"] or {}).get("value")
    figures = {name: result["value"], f"{name}_low": low, f"{name}_high": high}
    figures |= {f"{name}_floor": floor}
    journal.result(**{key: value for key, value in figures.items() if value is not None})
