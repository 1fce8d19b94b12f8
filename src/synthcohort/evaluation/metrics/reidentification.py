"""Re-identification: could a synthetic image be taken for a scan of a train patient?

The yardstick is the patient's own second scan. A synthetic image **links** to a train patient if it
lies nearer to one of the patient's images than any image of the patient's other sessions does:
whoever matches scans to people would then take it for that person before a real scan of theirs. The
value is the share of synthetic images that link to the nearest train image of a patient with
several sessions; the floor, the same share of real test images, all of other people.

How much that says depends on how well patients can be told in this space at all, which "rank_one"
in the details gives: how often the image nearest to a real one, among all other sessions in train,
is of the same patient. Distances are between the autoencoder's latents, as in the audit. Not
measured is recognition by features made for it, such as a face or a fingerprint of the folds.
"""

import tempfile
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.cohort import blocks
from synthcohort.config import Evaluation
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.evaluation.shared_figures import draw_against_floor
from synthcohort.hardware import Hardware
from synthcohort.latents.space import Space
from synthcohort.measures import Measure
from synthcohort.numerics.manifold import squared_distances
from synthcohort.numerics.neighbours import nearest
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.samples import shards
from synthcohort.seeds import derive

EXTRACTOR = None
JOB = "images"
MODELS = ("autoencoder", "latents")
MEASURES = (
    Measure(
        "reidentification",
        "Links to a train patient",
        330,
        "privacy",
        "lower",
        "The share of synthetic images that a matcher would take for a patient before that "
        "patient's own second scan.",
    ),
    Measure(
        "reidentification.rank_one",
        "Real second scan finds its patient",
        340,
        "privacy",
        "",
        "How well patients can be told at all here: how often a real scan finds the other scan of"
        " its patient. Where it is low, the line above says little.",
    ),
)
CAPTION = """\
Share of synthetic images that lie nearer to a train patient's image than the patient's own scan of
another session does, against the floor: the same share of real test images, which are of other
people. Above the floor, synthetic images could be taken for scans of train patients. It applies
where patients have several sessions, and says little where real patients cannot be told apart this
way (rank one in the result's details).
"""
NOTE = (
    "Re-identification does not apply: no train patient has images of several sessions (the "
    "manifest's column session), so there is no second scan to compare with."
)


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """All images take part, not only the sets; without patients with several sessions the value is
    None, with a note."""
    cohort, hardware = material.cohort, hardware.exact()
    train, test = cohort.of("train"), cohort.of("test")
    patient, session = cohort.patients[train], _sessions(material)[train]
    several = np.array([len(set(session[(patient == p) & (session != "")])) > 1 for p in patient])
    about = {"extractor": "this system's autoencoder", "layer": "mean latents"}
    if not several.any():
        return about | not_applicable(NOTE), {}

    samples = shards.describe(material.samples)
    latents = np.load(material.models["latents"] / "mean.npy", mmap_mode="r", allow_pickle=False)
    with tempfile.TemporaryDirectory(dir=material.work, prefix=".reidentification-") as work:
        space = Space(
            material.models["autoencoder"], latents, train, samples.dtype, Path(work), hardware
        )
        vectors, _ = space.real(train, "train")
        test_vectors, _ = space.real(test, "test")
        synthetic = space.synthetic(shards.pixels(material.samples), len(samples.labels))
        own, first = _second_scans(vectors, patient, session, several)
        # The images to link to, in both their forms: as they are and decoded once.
        among = np.flatnonzero(np.concatenate([several, several]))
        linked = {}
        for name, queries in (("synthetic", synthetic), ("test", test_vectors[len(test) :])):
            distance, place = nearest(queries, vectors, hardware, among=among)
            linked[name] = distance < own[place % len(train)]
    patients = {"synthetic": np.arange(len(linked["synthetic"])), "test": cohort.patients[test]}
    result, floor, rank = (
        _share(values, of, derive(seed, "reidentification", name))
        for name, values, of in (
            ("synthetic", linked["synthetic"], patients["synthetic"]),
            ("test", linked["test"], patients["test"]),
            ("rank one", first[several], patient[several]),
        )
    )
    people = len(set(patient[several]))
    result = (
        about
        | result
        | {
            "interval_method": "bootstrap over images (synthetic) and patients (real), percentiles",
            "floor": floor,
            "n": {"train": int(several.sum()), "test": len(test), "synthetic": len(samples.labels)},
            "note": "",  # images of every label take part
            "details": {"rank_one": rank, "patients_with_several_sessions": people},
        }
    )
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The share above its floor."""
    what = "Share of images that link to a train patient"
    draw_against_floor(path, result, what, result["n"]["synthetic"])


def _sessions(material: Material) -> np.ndarray:
    return np.array([row["session"] for row in material.cohort.rows])


def _second_scans(
    vectors: np.ndarray, patient: np.ndarray, session: np.ndarray, several: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """Of every train image of a patient with several sessions: the distance to the nearest image of
    the patient's other sessions, and whether no image of another patient is nearer than that.

    The image is the decoded one (rows n and up of `vectors`), compared with both forms of the
    others.
    """
    n = len(patient)
    own, first = np.full(n, np.inf), np.zeros(n, dtype=bool)
    forms = [np.asarray(vectors[:n], np.float64), np.asarray(vectors[n:], np.float64)]
    for rows in blocks(np.flatnonzero(several)):
        distance = np.min([_distances(forms[1][rows], form) for form in forms], axis=0)
        for i, row in zip(rows, distance, strict=True):
            same = patient == patient[i]
            own[i] = row[same & (session != session[i])].min()
            first[i] = own[i] < row[~same].min(initial=np.inf)
    return own, first


def _distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """N×M root-mean-square differences over the D elements."""
    return np.sqrt(squared_distances(queries, references) / queries.shape[1])


def _share(found: np.ndarray, patients: np.ndarray, seed: int) -> dict:
    weights = bootstrap_weights(patients, seed)
    return {
        "value": float(found.mean()),
        "interval": percentile_interval(weights @ found / weights.sum(1)),
    }
