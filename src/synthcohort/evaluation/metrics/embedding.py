"""UMAP of the U-Net's bottleneck features: do labels separate, and do origins mix?

The figure is the map; the numbers are taken in the space of the features themselves, because UMAP
pulls clusters apart that are not (McInnes 2018; Chari and Pachter 2023).
"""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import FEW, save
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.shared_figures import ORIGINS
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.neighbours import nearest_others, standardised
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.seeds import derive

if TYPE_CHECKING:
    from matplotlib.axes import Axes

EXTRACTOR = "bottleneck"
MEASURES = (
    Measure(
        "embedding",
        "Origins mix (0 to 1)",
        150,
        "fidelity",
        "higher",
        "Among the nearest neighbours in the denoiser's own features, how often the other origin "
        "comes up, against chance (1).",
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
UMAP of the denoiser's bottleneck features of real train, real test and synthetic images, coloured
by label (left) and by origin (right). Each point is an image.

Labels that form groups are told apart by the model; origins that lie over each other are alike to
it. Distances between groups and their sizes mean nothing in UMAP, so the numbers above the maps are
taken in the features themselves: how often neighbours share a label, and how well origins mix (1 is
complete, 0 not at all).
"""


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The value is origin mixing (see `mixing`) of synthetic and real test images; "details" has
    the label separation (see `separation`)."""
    k, sets = settings.neighbours, material.sets
    features = standardised(material.features)
    result, floor = (
        mixing(
            np.concatenate([features[name], features["test"]]),
            np.repeat([0, 1], [len(features[name]), len(features["test"])]),
            np.concatenate([sets[name].patients, sets["test"].patients]),
            k,
            derive(seed, "evaluation", "mixing", name),
        )
        for name in ("synthetic", "train")
    )
    separated = separation(features, material, k, derive(seed, "evaluation", "separation"))
    result |= {
        "interval_method": "bootstrap over patients (real) and images (synthetic), percentiles; "
        "neighbours as found, the generative model is not trained again",
        "floor": floor,
        "details": {"neighbours": k, "complete_mixing": 1.0, "label_separation": separated},
    }
    arrays = umap(features, derive(seed, "evaluation", "umap") % 2**32)
    arrays |= {f"{name}_classes": part.classes for name, part in sets.items()}
    return result, arrays | {"label_names": np.array(material.label_names)}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The map twice: coloured by label and by origin. The arrays are the places (N×2) and classes
    (N) of each set, and the names of the labels."""
    from matplotlib import colormaps
    from matplotlib.figure import Figure
    from matplotlib.patheffects import withStroke

    label_names = arrays["label_names"].tolist()
    halo = [withStroke(linewidth=3, foreground="white")]
    many = colormaps["viridis"](np.linspace(0, 1, len(label_names)))
    colours = FEW if len(label_names) <= len(FEW) else many
    figure = Figure(figsize=(11, 5.6), layout="constrained")
    left, right = figure.subplots(1, 2, sharex=True, sharey=True)
    places = np.concatenate([arrays[name] for name in ORIGINS])
    classes = np.concatenate([arrays[f"{name}_classes"] for name in ORIGINS])
    for label, name in enumerate(label_names):
        chosen = places[classes == label]
        # A legend leaves out what begins with "_".
        legend = f" {name}" if name.startswith("_") else name or "no label"
        _dots(left, chosen, colours[label], legend)
        if len(label_names) > len(FEW):
            # So many colours cannot all be told apart.
            left.text(*np.median(chosen, axis=0), name, weight="bold", path_effects=halo)
    for name, (colour, legend) in ORIGINS.items():
        _dots(right, arrays[name], colour, f"{legend} (N = {len(arrays[name])})")
    for axes, title in zip((left, right), _titles(result), strict=True):
        axes.set_title(title, fontsize=10)
        axes.set(xlabel="UMAP 1 (no unit)", ylabel="UMAP 2 (no unit)", xticks=[], yticks=[])
        axes.legend(
            loc="upper center", bbox_to_anchor=(0.5, -0.07), ncols=5, frameon=False, markerscale=2.5
        )
    save(figure, path)


def _titles(result: Mapping) -> tuple[str, str]:
    """The numbers of both maps, in words."""
    separated, (low, high) = result["details"]["label_separation"], result["interval"]
    return (
        f"By label: {result['details']['neighbours']} nearest name the label of "
        f"{separated['value']:.0%} of real images\n"
        f"(most frequent label: {separated['majority']:.0%})",
        f"By origin: mixing of synthetic and test {result['value']:.2f} [{low:.2f}, {high:.2f}]\n"
        f"(train and test: {result['floor']['value']:.2f}; complete: 1, none: 0)",
    )


def _dots(axes: "Axes", places: np.ndarray, colour: object, legend: str) -> None:
    axes.scatter(*places.T, s=9, color=colour, alpha=0.7, linewidths=0, label=legend)


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
    return {
        "value": float(others.mean() / expected.mean()),
        "interval": percentile_interval(drawn),
    }


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
    return {
        "value": float(right.mean()),
        "interval": percentile_interval(weights @ right / weights.sum(1)),
        "majority": float(np.bincount(classes).max() / len(classes)),
        "synthetic": float(_vote(classes[near], sets["synthetic"].classes).mean()),
    }


def umap(features: dict[str, np.ndarray], random_state: int) -> dict[str, np.ndarray]:
    """A common map of all sets, N×2 float32 each."""
    from umap import UMAP

    everything = np.concatenate(list(features.values()))
    reducer = UMAP(n_neighbors=min(15, len(everything) - 1), random_state=random_state, n_jobs=1)
    places = reducer.fit_transform(everything)
    ends = np.cumsum([len(values) for values in features.values()])
    return dict(zip(features, np.split(places, ends[:-1]), strict=True))


def _vote(found: np.ndarray, own: np.ndarray) -> np.ndarray:
    """N bools: whether the most frequent class of each row of N×k is `own` (a tie: the lower)."""
    votes = np.stack([(found == label).sum(1) for label in range(max(found.max(), own.max()) + 1)])
    return votes.argmax(0) == own
