"""Whose images synthetic images lie nearest to: train or test, and which of the train patients."""

import numpy as np

from synthcohort.cohort import Cohort, blocks
from synthcohort.hardware import Hardware
from synthcohort.numerics.resampling import DRAWS, binomial_interval, percentile_interval
from synthcohort.seeds import derive

SHUFFLES = 1000
# Patients that take part at most, of train and test as they are to each other.
PATIENTS = 1000
# A share that varies more than this from one choice of train patients to another says nothing.
BLIND = 0.2
WORST = 10


def to_patients(
    queries: np.ndarray,
    vectors: np.ndarray,
    rows: np.ndarray,
    patients: np.ndarray,
    hardware: Hardware,
) -> tuple[np.ndarray, np.ndarray]:
    """N×P float32: the distance of each of `queries` (N×D) to the nearest of M `rows` of `vectors`
    (either memory-mapped) of each patient; `patients` are those of these rows. And the P names."""
    import torch

    device = hardware.open()
    names, number = np.unique(patients, return_inverse=True)
    found = np.full((len(queries), len(names)), np.inf, dtype=np.float32)
    of = torch.from_numpy(number).to(device)
    for block in blocks(np.arange(len(queries)), 1024):
        query = torch.from_numpy(np.array(queries[block])).to(device)
        best = torch.full((len(block), len(names)), torch.inf, device=device)
        for part in blocks(np.arange(len(rows)), 4096):
            reference = torch.from_numpy(np.array(vectors[rows[part]])).to(device)
            index = of[torch.from_numpy(part).to(device)].expand(len(block), -1)
            best.scatter_reduce_(1, index, torch.cdist(query, reference), "amin")
        found[block] = best.cpu().numpy()
    return found, names


def some_patients(train: np.ndarray, test: np.ndarray, seed: int) -> set[str]:
    """All patients, or PATIENTS of them, of both in proportion, so that memory stays flat."""
    random, chosen = np.random.default_rng(seed), set()
    groups = [np.unique(part) for part in (train, test)]
    share = min(1, PATIENTS / sum(map(len, groups)))
    for names in groups:
        chosen |= set(random.permutation(names)[: max(2, round(share * len(names)))].tolist())
    return chosen


def nearer(distance: np.ndarray, in_train: np.ndarray, seed: int) -> dict:
    """The figure "nearer_to_train_than_test" from N×P distances to patients, of whom some are
    `in_train` (P bools): the share of images nearest to one of these, and the same with the
    patients shuffled between train and test, which is what a model that remembers nobody gives."""
    random = np.random.default_rng(seed)
    # Who is nearest to each image; of two who are equally near one may be in either part.
    nearest = (distance == distance.min(1, keepdims=True)).astype(np.float32)

    def share(of: np.ndarray) -> float:
        return float((nearest @ ~of == 0).mean())

    value = share(in_train)
    drawn = np.array([share(random.permutation(in_train)) for _ in range(SHUFFLES)])
    low, high = percentile_interval(drawn)
    expected = float(drawn.mean())
    figure = {
        "value": value,
        "interval": [max(0.0, value + low - expected), min(1.0, value + high - expected)],
        "interval_method": "as wide as the share varies with the patients shuffled between train "
        "and test",
        "expected": expected,
        "floor": {"value": expected, "interval": [low, high]},
        "n": {
            "train_patients": int(in_train.sum()),
            "test_patients": int((~in_train).sum()),
            "synthetic": len(distance),
        },
    }
    if high - low > BLIND:
        figure["cannot_tell"] = (
            f"with {int((~in_train).sum())} test patients the share varies by {high - low:.2f} "
            "with who happens to be among them"
        )
    return figure


def train_or_test(
    queries: np.ndarray,
    train_vectors: np.ndarray,
    test_vectors: np.ndarray,
    data: Cohort,
    seed: int,
    hardware: Hardware,
) -> dict:
    """The figure "nearer_to_train_than_test" of N×D `queries`, from the vectors of all train and
    test images, each in two forms below each other (`latents.space.Space.real`)."""
    parts = {name: data.patients[data.of(name)] for name in ("train", "test")}
    chosen = [*some_patients(*parts.values(), derive(seed, "audit", "patients"))]
    distances, names = [], []
    for part, vectors in zip(parts.values(), (train_vectors, test_vectors), strict=True):
        rows = np.flatnonzero(np.isin(part, chosen))
        found, who = to_patients(
            queries,
            vectors,
            np.concatenate([rows, rows + len(part)]),
            np.tile(part[rows], 2),
            hardware,
        )
        distances.append(found)
        names.append(who)
    in_train = np.arange(sum(map(len, names))) < len(names[0])
    return nearer(np.concatenate(distances, axis=1), in_train, derive(seed, "audit", "shuffled"))


def hits(
    nearest: np.ndarray,
    copied: np.ndarray,
    strangers: np.ndarray,
    strangers_patients: np.ndarray,
    names: np.ndarray,
    seed: int,
) -> tuple[dict, list[dict], tuple[np.ndarray, np.ndarray]]:
    """The figure "hits_per_patient": the largest share of the N synthetic images that have one and
    the same train patient nearest, beside that of real images of unseen patients (the floor: of
    about as many images, or half of them, since the largest of few shares is larger).

    `nearest` and `strangers` are the nearest train patient's number in `names`, of synthetic images
    and of strangers', `copied` that of the patients whom the copies among the former copy. Returns
    the figure, the worst-off patients, and the shares of all P patients, of both sets.
    """
    count = [np.bincount(part, minlength=len(names)) for part in (nearest, strangers)]
    repeated = np.bincount(copied, minlength=len(names))
    shares = tuple(part / part.sum() for part in count)
    drawn = _largest(strangers, strangers_patients, len(nearest), seed)
    worst = int(count[0].argmax())
    figure = {
        "value": float(shares[0][worst]),
        "interval": binomial_interval(int(count[0][worst]), len(nearest), "exact"),
        "interval_method": "exact binomial, over the synthetic images",
        "floor": {"value": float(drawn.mean()), "interval": percentile_interval(drawn)},
        "n": {
            "train_patients": len(names),
            "synthetic": len(nearest),
            "unseen": len(strangers),
        },
        "details": {"without_any": {"value": float((count[0] == 0).mean()), "interval": None}},
    }
    order = np.lexsort((-count[0], -repeated))[:WORST]
    told = [
        {
            "patient": str(names[i]),
            "nearest": int(count[0][i]),
            "copies": int(repeated[i]),
            "share": float(shares[0][i]),
            "share_of_unseen": float(shares[1][i]),
        }
        for i in order
    ]
    return figure, told, shares


def _largest(hit: np.ndarray, patients: np.ndarray, images: int, seed: int) -> np.ndarray:
    """2000 float64: the largest share that one number has among those numbers `hit` that belong to
    randomly chosen `patients`, so many that there are some `images`, but half of them at most."""
    whose, number = (np.unique(of, return_inverse=True)[1] for of in (patients, hit))
    table = np.zeros((whose.max() + 1, number.max() + 1), dtype=np.float32)
    np.add.at(table, (whose, number), 1)
    people = round(len(table) * min(0.5, images / len(hit)))
    # Nobody twice, as a bootstrap would: what is counted double looks like a hit.
    turn = np.random.default_rng(seed).random((DRAWS, len(table))).argsort(1)
    counts = (turn < max(1, people)).astype(np.float32) @ table
    return counts.max(1).astype(np.float64) / counts.sum(1)
