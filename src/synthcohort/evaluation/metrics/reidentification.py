"""Re-identification: could a synthetic image be taken for a scan of a train patient?

The yardstick is a patient's own second scan. A matcher takes an image for the patient of the train
image nearest to it; the image **links** to that patient if it lies nearer than any image of the
patient's other sessions does: it would be taken for that person before a real scan of theirs. All
train patients can be linked to: for those with one session the yardstick is the median distance
between two scans of one patient. The value is the share of synthetic images that link; the floor,
the same share of real images of unseen patients, decoded once as the synthetic ones are.

How much that says depends on how well patients can be told in this space at all, which "rank_one"
in the details gives: how often the image nearest to a real one, among all other sessions in train,
is of the same patient. "planted" are train images put through the autoencoder once: the share that
links is what the figure sees of plain copies. Distances are between the autoencoder's latents, as
in the audit. Not measured is recognition by features made for it, such as a face or a fingerprint
of the folds.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.cohort import blocks
from synthcohort.config import Evaluation
from synthcohort.evaluation.latent_shares import (
    LAYER,
    PLANTED,
    SPACE,
    SYNTHETIC,
    UNSEEN,
    draw_shares,
    of_patients,
    open_space,
    result_of,
)
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.manifold import squared_distances
from synthcohort.numerics.neighbours import nearest
from synthcohort.numerics.resampling import LEAST_PATIENTS
from synthcohort.samples import shards
from synthcohort.seeds import derive

EXTRACTOR = None
JOB = "membership"  # it needs networks too, whose import costs more than most
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
        span=1.0,
    ),
    Measure(
        "reidentification.rank_one",
        "Real second scan finds its patient",
        340,
        "privacy",
        "",
        "How well patients can be told at all here: how often a real scan finds the other scan of"
        " its patient. Where it is low, the line above says little.",
        span=1.0,
    ),
)
CAPTION = """\
Share of synthetic images that lie nearer to a train patient's image than a second scan of that
patient does, against the floor: the same share of real images of unseen patients, who are other
people. Above the floor, synthetic images could be taken for scans of train patients. The planted
train images, put through the autoencoder once, show what the figure sees of plain copies. It
applies where patients have several sessions, and says little where real patients cannot be told
apart this way (rank one in the result's details).
"""
NOTE = (
    "Re-identification does not apply: no train patient has images of several sessions (the "
    "manifest's column session), so there is no second scan to compare with."
)
PLANTED_IMAGES = 100


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """All images take part, not only the sets; without patients with several sessions the value is
    None, with a note."""
    cohort, hardware = material.cohort, hardware.exact()
    train, unseen = cohort.of("train"), np.concatenate([cohort.of("val"), cohort.of("test")])
    patient, session = cohort.patients[train], _sessions(material)[train]
    several = _several(patient, session)
    if not several.any():
        return {"extractor": SPACE, "layer": LAYER} | not_applicable(NOTE), {}

    samples = shards.describe(material.samples)
    random = np.random.default_rng(derive(seed, "reidentification", "planted"))
    planted = random.permutation(len(train))[:PLANTED_IMAGES]
    with open_space(material, hardware) as space:
        vectors, _ = space.real(train, "train")
        own, first, chance = _second_scans(vectors, patient, session, several)
        # The planted are references themselves, as what a memorised latent draws is.
        queries = {
            "synthetic": space.synthetic(shards.pixels(material.samples), len(samples.labels)),
            "unseen": space.real(unseen, "unseen")[0][len(unseen) :],
            "planted": vectors[len(train) + planted],
        }
        linked = {}
        for name, of in queries.items():
            # The references are all train images in both forms: as they are and decoded once.
            distance, place = nearest(of, vectors, hardware)
            linked[name] = distance < own[place % len(train)]
    result = result_of(linked, material, unseen, derive(seed, "reidentification", "floor"))
    rank = of_patients(
        first[several], patient[several], derive(seed, "reidentification", "rank one")
    )
    result["details"] |= {
        "rank_one": rank | {"chance": chance},
        "patients_with_several_sessions": len(np.unique(patient[several])),
    }
    if why := _cannot_tell(result):
        result["cannot_tell"] = why
    return result, {}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """The share of synthetic images between that of strangers and that of planted copies."""
    n = result["n"]
    rows = {
        PLANTED: result["details"]["planted"],
        UNSEEN: result["floor"] | {"n": n["val"] + n["test"]},
        SYNTHETIC: result | {"n": n["synthetic"]},
    }
    draw_shares(path, rows, f"Share that links to one of {n['train']} train images")


def _sessions(material: Material) -> np.ndarray:
    return np.array([row["session"] for row in material.cohort.rows])


def _several(patient: np.ndarray, session: np.ndarray) -> np.ndarray:
    """Which images are of a known session, of a patient with several of them."""
    sessions: dict[str, set] = {}
    for name, of in zip(patient, session, strict=True):
        sessions.setdefault(name, set()).update({of} - {""})
    return np.array([len(sessions[name]) > 1 for name in patient]) & (session != "")


def _second_scans(
    vectors: np.ndarray, patient: np.ndarray, session: np.ndarray, several: np.ndarray
) -> tuple[np.ndarray, np.ndarray, float]:
    """Of every train image the distance to the nearest image of the patient's other sessions, the
    median of these where there is none; whether no image of another patient is nearer than that;
    and how often that would be by chance.

    The image is the decoded one (rows n and up of `vectors`), compared with both forms of the
    others.
    """
    n = len(patient)
    own, first, chance = np.full(n, np.nan), np.zeros(n, dtype=bool), []
    forms = [np.asarray(vectors[:n], np.float64), np.asarray(vectors[n:], np.float64)]
    for rows in blocks(np.flatnonzero(several)):
        distance = np.min([_distances(forms[1][rows], form) for form in forms], axis=0)
        for i, row in zip(rows, distance, strict=True):
            same = patient == patient[i]
            second = same & (session != session[i]) & (session != "")
            own[i] = row[second].min()
            first[i] = own[i] < row[~same].min(initial=np.inf)
            chance.append(second.sum() / (second.sum() + (~same).sum()))
    own[~several] = np.median(own[several])
    return own, first, float(np.mean(chance))


def _distances(queries: np.ndarray, references: np.ndarray) -> np.ndarray:
    """N×M root-mean-square differences over the D elements."""
    return np.sqrt(squared_distances(queries, references) / queries.shape[1])


def _cannot_tell(result: Mapping) -> str:
    """Why the figure says nothing on this cohort; "" where it does."""
    details, unseen = result["details"], result["patients"]["unseen"]
    scanned, rank = details["patients_with_several_sessions"], details["rank_one"]
    if min(scanned, unseen) < LEAST_PATIENTS:
        return (
            f"It needs {LEAST_PATIENTS} train patients with several sessions and as many patients "
            f"in val and test together; there are {scanned} and {unseen}."
        )
    if details["planted"]["value"] < 0.5:
        return (
            f"Of {details['planted']['n']} train images planted as copies "
            f"{details['planted']['value']:.0%} link only: two scans of one patient lie as near."
        )
    if rank["interval"][0] <= rank["chance"]:
        return (
            f"Patients cannot be told here: a second scan finds its patient {rank['value']:.1%} of "
            f"the time, and by chance it would {rank['chance']:.1%}."
        )
    return ""
