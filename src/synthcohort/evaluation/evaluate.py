"""The evaluation stage: one metric, one result file in the one format, one figure."""

import time
from collections.abc import Sequence
from pathlib import Path

from synthcohort.config import Evaluation
from synthcohort.device import Hardware
from synthcohort.evaluation import metrics
from synthcohort.evaluation.features import open_features
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.resampling import CONFIDENCE
from synthcohort.evaluation.sets import open_sets
from synthcohort.files import write_json
from synthcohort.tracking.journal import Journal


def evaluate(
    settings: Evaluation,
    *,
    metric: str,
    seed: int,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    sets: Path,
    features: Path | None,
    out: Path,
    figure: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Measure `metric` (a name in `metrics.names()`) on the images chosen in `sets`.

    `features` is the file of the metric's extractor (`metrics.module(metric).EXTRACTOR`), None
    where it has none. Writes `out` (JSON) and `figure` (PNG). Apart from the field "seconds" both
    depend on the arguments alone.

    Raises:
        UserError: the files do not belong together.
    """
    start = time.monotonic()
    opened, label_names = open_sets(sets, cohort=cohort, split=split, samples=samples)
    about, values = {"extractor": None, "layer": None}, {}
    if features is not None:
        values, about = open_features(features, opened)
    material = Material(opened, label_names, values)
    found = metrics.module(metric).measure(
        settings, seed=seed, material=material, figure=figure, hardware=hardware
    )
    result = about | found | {"metric": metric, "confidence": CONFIDENCE, "seed": seed}
    result["n"] = {name: len(part.images) for name, part in opened.items()}
    result["patients"] = {name: len(set(opened[name].patients)) for name in ("train", "test")}
    write_json(out, result | {"seconds": round(time.monotonic() - start, 1)})
    low, high = result["interval"]
    journal.result(
        **{metric: result["value"], f"{metric}_low": low, f"{metric}_high": high},
        **{f"{metric}_floor": result["floor"]["value"]},
    )
    journal.figure(figure)
