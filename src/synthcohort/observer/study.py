"""The observer study read back: how well readers tell synthetic from real images."""

from collections.abc import Mapping, Sequence
from itertools import combinations
from pathlib import Path

import numpy as np

from synthcohort.drawing import BLACK, BLUE, ORANGE, save
from synthcohort.files import write_json
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import (
    CONFIDENCE,
    bootstrap_weights,
    percentile_interval,
    share,
)
from synthcohort.observer import SYNTHETIC
from synthcohort.observer.answers import Reading, open_answers, open_key
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

MEASURES = (
    Measure(
        "observer",
        "Observer study, accuracy",
        250,
        "real_or_synthetic",
        "lower",
        "How well human readers tell them; 0.5 is guessing and what we want.",
    ),
    Measure(
        "observer.sensitivity",
        "Observer study, synthetic named synthetic",
        260,
        "real_or_synthetic",
        "lower",
        "How well human readers tell them; 0.5 is guessing and what we want.",
    ),
    Measure(
        "observer.specificity",
        "Observer study, real named real",
        270,
        "real_or_synthetic",
        "lower",
        "How well human readers tell them; 0.5 is guessing and what we want.",
    ),
)
CHANCE = 0.5


def observer_study(
    *, page: Path, answers: Sequence[Path], out: Path, figure: Path, journal: Journal
) -> None:
    """Measure the readers' `answers` (CSV files the page has saved) to the page in folder `page`.

    Writes `out` (JSON, the format of the metrics) and `figure` (PNG). The value is the accuracy
    over all readers; 0.5, chance, is what we want. Both files depend on the arguments alone.

    Raises:
        UserError: a file is not a whole, blinded reading of this page.
    """
    key = open_key(page)
    readings = open_answers(answers, key)
    truth = np.array([image["truth"] == SYNTHETIC for image in key["images"]])
    # Images of one patient are alike; every synthetic image is its own patient.
    patients = np.array(
        [image["patient"] or f"synthetic {image['key']}" for image in key["images"]]
    )
    single = [_of_reader(reading, truth) for reading in readings]
    pooled = _pooled(readings, truth, patients, key["seed"]) if len(readings) > 1 else single[0]
    result = {
        "metric": "observer",
        "extractor": None,
        "layer": None,
        **pooled["accuracy"],
        "interval_method": "bootstrap over readers, patients (real) and images (synthetic), "
        "percentiles"
        if len(readings) > 1
        else "Wilson, over the images, as if each were of another patient; for this reader only",
        "confidence": CONFIDENCE,
        "floor": {"value": CHANCE, "interval": None},
        "n": {
            "test": int(np.sum(~truth)),
            "synthetic": int(np.sum(truth)),
            "readers": len(readings),
        },
        "patients": {"test": len(set(patients[~truth]))},
        "seed": key["seed"],
        "study": key["study"],
        "details": {
            "sensitivity": pooled["sensitivity"],
            "specificity": pooled["specificity"],
            "d_prime": float(np.mean([reader["d_prime"] for reader in single])),
            "kappa": _kappa(readings),
            "readers": single,
        },
    }
    _draw(figure, single, result)
    write_json(out, result)
    low, high = result["interval"]
    journal.result(
        **{"observer": result["value"], "observer_low": low, "observer_high": high},
        **{"observer_floor": CHANCE, "readers": len(readings), "study": key["study"]},
        **{name: pooled[name]["value"] for name in ("sensitivity", "specificity")},
    )
    journal.figure(figure)


def _of_reader(reading: Reading, truth: np.ndarray) -> dict:
    """One reader's shares with Wilson intervals over the images, d' and mean time."""
    right = reading.synthetic == truth
    return {
        "reader": reading.reader,
        "accuracy": share(right),
        "sensitivity": share(right[truth]),
        "specificity": share(right[~truth]),
        "d_prime": _d_prime(reading.synthetic, truth),
        "seconds_an_image": float(reading.seconds.mean()),
    }


def _pooled(
    readings: Sequence[Reading], truth: np.ndarray, patients: np.ndarray, seed: int
) -> dict[str, dict]:
    """The same shares over all readers, with intervals over readers and images."""
    right = np.array([reading.synthetic == truth for reading in readings])
    names = np.arange(len(readings))
    readers = bootstrap_weights(names, derive(seed, "observer", "readers"))
    images = bootstrap_weights(patients, derive(seed, "observer", "images"))

    def pooled(chosen: np.ndarray) -> dict:
        here = images * chosen
        counts = len(readings) * here.sum(1)
        drawn = np.einsum("dr,rn,dn->d", readers, right, here, optimize=True)
        draws = np.divide(drawn, counts, out=np.full(len(drawn), np.nan), where=counts > 0)
        return {"value": float(right[:, chosen].mean()), "interval": percentile_interval(draws)}

    everything = np.ones_like(truth)
    return {
        "accuracy": pooled(everything),
        "sensitivity": pooled(truth),
        "specificity": pooled(~truth),
    }


def _d_prime(said: np.ndarray, truth: np.ndarray) -> float:
    """Sensitivity index d'; half an answer is added to each cell, so that it stays finite where
    nothing or everything was named synthetic (Hautus 1995)."""
    from scipy.stats import norm

    hits, false_alarms = ((said[of].sum() + 0.5) / (of.sum() + 1) for of in (truth, ~truth))
    return float(norm.ppf(hits) - norm.ppf(false_alarms))


def _kappa(readings: Sequence[Reading]) -> float | None:
    """Cohen's kappa, averaged over the pairs of readers (Light 1971); None for one reader, or
    where a pair gave all images the same answer, for which kappa is not defined."""
    from sklearn.metrics import cohen_kappa_score

    pairs = list(combinations([reading.synthetic for reading in readings], 2))
    if not pairs or any(len(np.unique(pair)) == 1 for pair in pairs):
        return None
    return float(np.mean([cohen_kappa_score(*pair) for pair in pairs]))


def _draw(path: Path, readers: Sequence[Mapping], result: Mapping) -> None:
    """Accuracy with its interval: all readers on top, then each, against chance."""
    from matplotlib.figure import Figure

    lines = [(reader["reader"], reader["accuracy"], BLUE) for reader in readers]
    if len(readers) > 1:
        lines.insert(0, ("all readers", result, ORANGE))
    figure = Figure(figsize=(6.4, 1.6 + 0.35 * len(lines)), layout="constrained")
    axes = figure.subplots()
    for place, (_, entry, colour) in enumerate(lines):
        axes.plot(entry["interval"], [place, place], color=colour, linewidth=2)
        axes.plot(entry["value"], place, "o", color=colour)
    axes.axvline(CHANCE, color=BLACK, linestyle="--", linewidth=1, label="chance")
    # A reader types the name: it is no mathematics.
    axes.set_yticks(range(len(lines)), [name for name, _, _ in lines], parse_math=False)
    axes.set_ylim(len(lines) - 0.4, -0.6)
    axes.set_xlim(0, 1)
    n = result["n"]
    axes.set_xlabel(
        "Accuracy in telling real from synthetic images\n"
        f"N = {n['test']} real test and {n['synthetic']} synthetic images, 95 % interval"
    )
    axes.grid(axis="x", alpha=0.3)
    axes.legend(loc="upper left", fontsize=8)
    save(figure, path)
