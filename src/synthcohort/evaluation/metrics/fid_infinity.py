"""FID extrapolated to infinitely many images (Chong and Forsyth 2020).

The FID of few images is too large, by about as much as 1/N, so the end of a line through the FIDs
of growing N, drawn to 1/N = 0, is an estimate of the FID without this bias. They vary the number of
synthetic images only, with 50,000 real ones at hand; here real images are as few, so the numbers of
both grow together. Where N is below the number of features, the bias falls more slowly than 1/N and
the line's end is still too large. By how much, the floor's end tells: it is 0 in truth where train
and test are of one distribution.
"""

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import BLACK, save
from synthcohort.evaluation.estimation.floors import METHOD, Statistic, compared
from synthcohort.evaluation.estimation.frechet import distance
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import BETWEEN, add_legend_above, entries
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.seeds import derive

EXTRACTOR = "inception"
MEASURES = (
    Measure(
        "fid_infinity",
        "FID, extrapolated to infinite N",
        40,
        "fidelity",
        "lower",
        "FID extrapolated to infinitely many images. Part of the bias of few images remains: how "
        "much, its floor tells, which is 0 without any.",
    ),
)
CAPTION = """\
FID against the inverse number of images, with its extrapolation to infinitely many (Chong and
Forsyth 2020): synthetic from real test images, and the floor, real train from real test images.
Each point is a mean over disjoint parts of the sets.

The FID of few images is too large; the end of the line at the left is freed of a part of that. With
fewer images than the 2048 features the points bend and the end is still too large: the floor's end,
which is 0 in truth where train and test are of one distribution, tells by how much.
"""
PARTS = 4


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The value may be negative: it is an estimate. "details" has the FIDs it comes from."""
    material = replace(material, features=rotated(material.features))
    features = material.features
    turns = {
        name: turn(part.patients, derive(seed, "evaluation", "fid_infinity", name))
        for name, part in material.sets.items()
    }

    def statistic(name: str) -> Statistic:
        def end(test: np.ndarray, other: np.ndarray) -> float:
            first, second = (
                features[of][turns[of][kept[turns[of]]]]
                for of, kept in (("test", test), (name, other))
            )
            return extrapolated(*growing(first, second))

        return end

    curves = {
        name: growing(features["test"][turns["test"]], features[name][turns[name]])
        for name in features
        if name != "test"
    }
    result = compared(
        lambda name: extrapolated(*curves[name]), statistic, seed=seed, material=material
    )
    fids = {name: {"n": n.tolist(), "values": fid.tolist()} for name, (n, fid) in curves.items()}
    return result | {"interval_method": METHOD, "details": {"fid": fids}}, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The distance and its floor against 1/N, with the lines fitted to them and, at 1/N = 0, their
    ends with intervals."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(6.4, 4), layout="constrained")
    axes = figure.subplots()
    curves = result["details"]["fid"]
    for name, (end, style) in entries(result).items():
        curve, colour = curves[name], style["color"]
        inverse = 1 / np.array(curve["n"])
        axes.plot(inverse, curve["values"], linestyle="none", label=BETWEEN[name], **style)
        slope = np.mean((np.array(curve["values"]) - end["value"]) / inverse)
        reach = np.array([0, inverse.max()])
        axes.plot(reach, end["value"] + slope * reach, "--", color=colour, linewidth=1)
        axes.plot([0, 0], end["interval"], color=colour, linewidth=3, clip_on=False)
        axes.plot([0], [end["value"]], clip_on=False, **style)
    axes.axhline(0, color=BLACK, linewidth=0.8)
    ticks = np.unique(curves["synthetic"]["n"])
    axes.set_xticks([0, *(1 / ticks)], ["∞", *(f"1/{round(n)}" for n in ticks)])
    axes.set(
        xlabel="1/N; at the left the extrapolation to infinite N, 95 % interval",
        ylabel="Fréchet Inception distance",
    )
    axes.grid(alpha=0.3)
    add_legend_above(figure, axes)
    save(figure, path)


def growing(first: np.ndarray, second: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Numbers of images N, N/2, N/3 and N/4 (fewer where parts would have less than two images),
    and the FID at each: the mean over disjoint parts, so that every image counts at every N."""
    least = min(len(first), len(second))
    parts = range(1, max(1, min(PARTS, least // 2)) + 1)
    values = []
    for count in parts:
        pairs = zip(np.array_split(first, count), np.array_split(second, count), strict=True)
        values.append(np.mean([distance(a, b) for a, b in pairs]))
    return least / np.array(parts), np.array(values)


def extrapolated(n: np.ndarray, values: np.ndarray) -> float:
    """The value at 1/n = 0 of the line fitted by least squares; of one value, that value."""
    return float(np.polyfit(1 / n, values, min(1, len(n) - 1))[-1])


def turn(patients: np.ndarray, seed: int) -> np.ndarray:
    """An order of the rows in which patients are shuffled but stay together."""
    names, number = np.unique(patients, return_inverse=True)
    place = np.random.default_rng(seed).permutation(len(names))[number]
    return np.argsort(place, kind="stable")


def rotated(features: dict[str, np.ndarray]) -> dict[str, np.ndarray]:
    """The same points in the space they span, where it has fewer dimensions: distances, and so
    FIDs, stay what they are and cost less."""
    everything = np.concatenate(list(features.values())).astype(np.float64)
    if len(everything) < everything.shape[1]:
        everything = np.linalg.qr(everything.T, mode="r").T
    ends = np.cumsum([len(values) for values in features.values()])
    return dict(zip(features, np.split(everything, ends[:-1]), strict=True))
