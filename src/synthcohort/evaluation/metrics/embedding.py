"""UMAP of the U-Net's bottleneck features and of the own classifier's: do labels separate, and do
origins mix?

The figure is the maps; the numbers are taken in the spaces of the features themselves, because UMAP
pulls clusters apart that are not (McInnes 2018; Chari and Pachter 2023).

The bottleneck shows what the model itself tells apart. As a test of its images it is nearly blind:
the model has made them so that they are alike to it, and their blur and noise do not reach there.
The classifier, trained on real images alone, had no part in making them.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import FEW, save
from synthcohort.evaluation.estimation.floors import HELD_AGAINST
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.networks.label_classifier import cannot_tell
from synthcohort.evaluation.sets import Set
from synthcohort.evaluation.shared_figures import ORIGINS
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics import common_map
from synthcohort.numerics.neighbours import nearest_others, standardised
from synthcohort.numerics.resampling import (
    bootstrap_weights,
    exact_interval,
    percentile_interval,
)
from synthcohort.seeds import derive

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXTRACTOR = "bottleneck"
BESIDE = "classifier"
MODELS = ("classifier",)
MEASURES = (
    Measure(
        "embedding",
        "Origins mix, by the model's own eyes (0 to 1)",
        150,
        "fidelity",
        "higher",
        "Among the nearest neighbours in the denoiser's own features, how often the other origin "
        "comes up, against chance (1). The denoiser made these images to be alike to itself: it "
        "sees gross faults, but hardly blur or noise.",
        span=1.0,
    ),
    Measure(
        "embedding.classifier_mixing",
        "Origins mix, by the own classifier's eyes (0 to 1)",
        155,
        "fidelity",
        "higher",
        "The same in the features of a classifier that was trained on real images alone, and had "
        "no part in making these.",
        span=1.0,
    ),
    Measure(
        "embedding.label_separation",
        "Labels separate (accuracy)",
        160,
        "conditioning",
        "higher",
        "How often the nearest neighbours name the right label of a real image: whether the "
        "denoiser itself knows the labels apart.",
    ),
)
CAPTION = """\
UMAP of real train, real test and synthetic images, coloured by label (left) and by origin (right),
in two spaces of features: above, the bottleneck of the denoiser; below, the classifier that was
trained on the labels of real train images. Each point is an image.

Labels that form groups are told apart; origins that lie over each other are alike, to the network
whose features these are. The denoiser's own eyes miss much: it has made the synthetic images to be
alike to itself, and blur and noise hardly reach its bottleneck, so origins may mix well there whose
images a glance tells apart. The classifier had no part in making them and sees more, though little
beside what tells labels apart. Distances between groups and their sizes mean nothing in UMAP, so
the numbers above the maps are taken in the features themselves: how often neighbours share a label,
and how well origins mix (1 is complete, 0 not at all).
"""
SPACES = {"bottleneck": "Denoiser's bottleneck", "classifier": "Own classifier"}
MIXED = ("train", "test", "synthetic")


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The value is origin mixing (see `mixing`) of synthetic and real test images in the
    bottleneck; "details" has the label separation there (see `separation`), and the mixing in the
    features of the own classifier where they are given."""
    k, sets = settings.neighbours, material.sets
    spaces = {"bottleneck": material.features, "classifier": material.beside}
    result: dict = {}
    arrays = {f"{name}_classes": sets[name].classes for name in MIXED}
    details: dict = {"neighbours": k, "complete_mixing": 1.0}
    for space, given in spaces.items():
        if not given:
            continue
        features, own = standardised(given), derive(seed, "evaluation", "embedding", space)
        mixed = mixings(features, sets, k, own)
        if space == "bottleneck":
            result = mixed
            separated = separation(features, material, k, derive(own, "separation"))
            details["label_separation"] = separated
        else:
            judge = material.models.get("classifier")
            why = cannot_tell(judge) if judge else None
            details[f"{space}_mixing"] = mixed | ({"cannot_tell": why} if why else {})
        places = common_map.umap(
            {name: features[name] for name in MIXED}, derive(own, "umap") % 2**32
        )
        arrays |= {f"{space}_{name}": place for name, place in places.items()}
    result |= {
        "interval_method": "bootstrap over patients (real) and images (synthetic), percentiles; "
        "of no mixing at all the exact interval (Clopper and Pearson); neighbours as found, the "
        "generative model is not trained again",
        "details": details,
    }
    return result, arrays | {"label_names": np.array(material.label_names)}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The map of each space twice: coloured by label and by origin. The arrays are the places (N×2)
    by space and set, the classes (N) of each set, and the names of the labels."""
    from matplotlib.figure import Figure

    spaces = [space for space in SPACES if f"{space}_test" in arrays]
    figure = Figure(figsize=(11, 5.6 * len(spaces)), layout="constrained")
    rows = figure.subplots(len(spaces), 2, sharex="row", sharey="row", squeeze=False)
    for space, row in zip(spaces, rows, strict=True):
        places = {name: arrays[f"{space}_{name}"] for name in ORIGINS}
        classes = np.concatenate([arrays[f"{name}_classes"] for name in ORIGINS])
        _by_label(row[0], np.concatenate([*places.values()]), classes, arrays["label_names"])
        for name, (colour, legend) in ORIGINS.items():
            _dots(row[1], places[name], colour, f"{legend} (N = {len(places[name])})")
        for axes, title in zip(row, _titles(result, space), strict=True):
            axes.set_title(f"{SPACES[space]}\n{title}", fontsize=9)
            axes.set(xlabel="UMAP 1 (no unit)", ylabel="UMAP 2 (no unit)", xticks=[], yticks=[])
            below = {"loc": "upper center", "bbox_to_anchor": (0.5, -0.07)}
            axes.legend(**below, ncols=5, frameon=False, markerscale=2.5)
    save(figure, path)


def _by_label(
    axes: "Axes", places: np.ndarray, classes: np.ndarray, label_names: np.ndarray
) -> None:
    from matplotlib import colormaps
    from matplotlib.patheffects import withStroke

    halo = [withStroke(linewidth=3, foreground="white")]
    many = colormaps["viridis"](np.linspace(0, 1, len(label_names)))
    colours = FEW if len(label_names) <= len(FEW) else many
    for label, name in enumerate(label_names.tolist()):
        chosen = places[classes == label]
        # A legend leaves out what begins with "_".
        legend = f" {name}" if name.startswith("_") else name or "no label"
        _dots(axes, chosen, colours[label], legend)
        if len(label_names) > len(FEW):
            # So many colours cannot all be told apart.
            axes.text(*np.median(chosen, axis=0), name, weight="bold", path_effects=halo)


def _titles(result: Mapping, space: str) -> tuple[str, str]:
    """The numbers of both maps of a space, in words."""
    details = result["details"]
    separated = details["label_separation"]
    mixed = result if space == "bottleneck" else details[f"{space}_mixing"]
    low, high = mixed["interval"]
    real = f"train and test: {mixed['floor']['value']:.2f}"
    if "decoded" in mixed:
        real += f", train through the autoencoder: {mixed['decoded']['value']:.2f}"
    return (
        f"By label: {details['neighbours']} nearest name the label of {separated['value']:.0%} of "
        f"real images\n(most frequent label: {separated['majority']:.0%})"
        if space == "bottleneck"
        else "By label\n(it was trained to tell the labels of the train images apart)",
        f"By origin: mixing of synthetic and test {mixed['value']:.2f} [{low:.2f}, {high:.2f}]\n"
        f"({real}; complete: 1, none: 0)",
    )


def _dots(axes: "Axes", places: np.ndarray, colour: object, legend: str) -> None:
    axes.scatter(*places.T, s=9, color=colour, alpha=0.7, linewidths=0, label=legend)


def mixings(features: Mapping[str, np.ndarray], sets: Mapping[str, Set], k: int, seed: int) -> dict:
    """The mixing of synthetic and test images, and what it is held against (HELD_AGAINST)."""

    def of(name: str) -> dict:
        return mixing(
            np.concatenate([features[name], features["test"]]),
            np.repeat([0, 1], [len(features[name]), len(features["test"])]),
            np.concatenate([sets[name].patients, sets["test"].patients]),
            k,
            derive(seed, "mixing", name),
        )

    others = {key: of(name) for name, key in HELD_AGAINST.items() if name in sets}
    if "spread" in sets:
        part = sets["spread"].patients
        others[HELD_AGAINST["spread"]] |= {"n": len(part), "patients": len(np.unique(part))}
    return of("synthetic") | others


def mixing(
    features: np.ndarray, origin: np.ndarray, patients: np.ndarray, k: int, seed: int
) -> dict:
    """How many of the k nearest neighbours from other patients are of the other origin, over how
    many would be if origins were shuffled: 1 is complete mixing, 0 none. {"value", "interval"}.

    `features` are N×D, `origin` N numbers 0 or 1, `patients` N ids.
    """
    others = origin[nearest_others(features, patients, k)] != origin[:, None]
    different = patients[:, None] != patients
    expected = (different & (origin[:, None] != origin)).sum(1) / different.sum(1)
    weights = bootstrap_weights(patients, seed)
    drawn = weights @ others.mean(1) / (weights @ expected)
    interval = percentile_interval(drawn)
    if not others.any():
        cases = min(len(np.unique(patients[origin == one])) for one in (0, 1))
        interval = [0.0, exact_interval(0, cases)[1] / float(expected.mean())]
    return {"value": float(others.mean() / expected.mean()), "interval": interval}


def separation(features: dict[str, np.ndarray], material: Material, k: int, seed: int) -> dict:
    """The share of real images whose label is the most frequent one among their k nearest real
    neighbours from other patients, with interval, and the share of the most frequent label.

    "synthetic" is the share of synthetic images that lie among real ones of their own label.
    """
    sets = material.sets
    real = np.concatenate([features["train"], features["test"]])
    classes = np.concatenate([sets["train"].classes, sets["test"].classes])
    patients = np.concatenate([sets["train"].patients, sets["test"].patients])
    right = _vote(classes[nearest_others(real, patients, k)], classes)
    weights = bootstrap_weights(patients, seed)
    # Synthetic images count as one patient here, so that they have real neighbours only.
    everything = np.concatenate([real, features["synthetic"]])
    owner = np.concatenate([patients, np.full(len(features["synthetic"]), "synthetic")])
    near = nearest_others(everything, owner, k)[len(real) :]
    value = float(right.mean())
    drawn = percentile_interval(weights @ right / weights.sum(1))
    return {
        "value": value,
        "interval": exact_interval(value, len(set(patients))) if value in (0, 1) else drawn,
        "majority": float(np.bincount(classes).max() / len(classes)),
        "synthetic": float(_vote(classes[near], sets["synthetic"].classes).mean()),
    }


def _vote(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """N bools: whether the most frequent class of each row of N×k is `own` (a tie: the lower)."""
    votes = np.stack([(found == label).sum(1) for label in range(max(found.max(), own.max()) + 1)])
    return votes.argmax(0) == own
