"""The audit: does the synthetic dataset repeat its train images?

It measures and records; the export refuses what has not passed (`synthcohort.audit.gate`).
"""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort import config, shards
from synthcohort.audit.neighbours import draw_patients, held_out, memorised, nearest, share
from synthcohort.cohort import Cohort, open_cohort
from synthcohort.device import Hardware
from synthcohort.errors import UserError
from synthcohort.files import sha256, write_json
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

QUANTILES = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 1]


def audit(
    settings: config.Audit,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    latents: Path,
    autoencoder: Path,
    samples: Sequence[Path],
    out: Path,
    pairs: Path,
    distances: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Compare every synthetic image in the shards `samples` with every train image.

    `latents` is the encode stage's folder. Writes `out` (audit.json) and two figures: the
    nearest `pairs` (with real images: never to be exported) and the histogram of the `distances`
    (without images). A failed gate is recorded, not raised.

    Raises:
        UserError: the inputs do not belong together, or test has fewer than two patients.
    """
    from synthcohort.audit.figures import draw_distances, draw_pairs
    from synthcohort.audit.space import Space

    data, sampled = open_cohort(cohort, split), shards.describe(samples)
    means = np.load(latents / "mean.npy", mmap_mode="r", allow_pickle=False)
    _check(data, sampled, means, latents, samples)
    train, test = data.of("train"), data.of("test")

    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".audit-", dir=out.parent) as work:
        space = Space(autoencoder, means, train, data.images.dtype, Path(work), hardware)
        train_vectors = space.real(train, "train")
        test_vectors = space.real(test, "test")
        synthetic_vectors = space.synthetic(shards.pixels(samples), len(sampled.labels))

        test_distance, _ = nearest(test_vectors[len(test) :], train_vectors, hardware)
        distance, place = nearest(synthetic_vectors, train_vectors, hardware)
        nearest_train = train[place % len(train)]
        size = min(len(train), len(test))
        to_equal = [
            _distance_to_part(synthetic_vectors, vectors, data, rows, size, seed, hardware)
            for vectors, rows in ((train_vectors, train), (test_vectors, test))
        ]

    found, limit = memorised(distance, test_distance, settings.quantile)
    floor = held_out(
        test_distance, data.patients[test], settings.quantile, derive(seed, "audit", "held out")
    )
    order = np.argsort(distance, kind="stable")
    closest = order[: settings.pairs]

    def told(i: int) -> dict:
        return {
            "shard": samples[sampled.shard[i]].name,
            "label": sampled.label_names[sampled.labels[i]],
            "index": int(sampled.index[i]),
            "train_image": data.rows[nearest_train[i]]["image_id"],
            "distance": float(distance[i]),
        }

    gate = {
        "name": "memorised_share",
        "n": {"train": len(train), "test": len(test), "synthetic": len(distance)},
        "confidence": 0.95,
        "interval_method": "Wilson, over the synthetic images, with the limit as found",
        "floor": share(floor),
        "threshold": settings.memorised_share,
        "quantile": settings.quantile,
        "distance_limit": limit,
        **share(found),
    }
    gate["passed"] = gate["value"] <= settings.memorised_share
    nearer = {
        "name": "nearer_to_train_than_test",
        "n": {"train": size, "test": size, "synthetic": len(distance)},
        "confidence": 0.95,
        "interval_method": "Wilson, over the synthetic images only",
        "expected": 0.5,
        **share(to_equal[0] < to_equal[1]),
    }
    write_json(
        out,
        {
            "passed": gate["passed"],
            "gates": [gate],
            "measures": [nearer],
            "distance": f"root-mean-square difference of {space.compares}, each channel in "
            "standard deviations over train",
            "quantiles": {
                "of": QUANTILES,
                "test": np.quantile(test_distance, QUANTILES).tolist(),
                "synthetic": np.quantile(distance, QUANTILES).tolist(),
            },
            "memorised": [told(i) for i in order if found[i]],
            "nearest": [told(i) for i in closest],
            "samples": {path.name: sha256(path) for path in samples},
            "seed": seed,
        },
    )
    draw_distances(distances, test_distance, distance, limit, settings.quantile)
    draw_pairs(
        pairs,
        _pick(samples, sampled, closest),
        data.images[nearest_train[closest]],
        distance[closest],
        limit,
    )
    journal.result(
        passed=str(gate["passed"]),
        memorised_share=gate["value"],
        memorised_share_floor=gate["floor"]["value"],
        nearer_to_train_than_test=nearer["value"],
        distance_limit=limit,
    )
    journal.figure(pairs)
    journal.figure(distances)


def _check(
    data: Cohort,
    sampled: shards.Samples,
    means: np.ndarray,
    latents: Path,
    samples: Sequence[Path],
) -> None:
    if len(means) != len(data.rows):
        raise UserError(
            f"{latents / 'mean.npy'}: {len(means)} latents, but the manifest has {len(data.rows)} "
            "images; encode the cohort again"
        )
    if (sampled.shape, sampled.dtype) != (data.images.shape[1:], data.images.dtype):
        raise UserError(
            f"{samples[0]}: images of {sampled.shape} {sampled.dtype}, but the cohort has "
            f"{data.images.shape[1:]} {data.images.dtype}; sample again from this cohort's model"
        )
    patients = len(np.unique(data.patients[data.of("test")]))
    if patients < 2:
        raise UserError(
            f"the audit compares with held-out patients and needs at least 2 in test, there are "
            f"{patients}; give split.fractions.test a larger share"
        )


def _distance_to_part(
    queries: np.ndarray,
    vectors: np.ndarray,
    data: Cohort,
    rows: np.ndarray,
    size: int,
    seed: int,
    hardware: Hardware,
) -> np.ndarray:
    """The distances to the nearest of `size` of the images `rows`, in both their forms."""
    chosen = draw_patients(
        np.arange(len(rows)), data.patients[rows], size, derive(seed, "audit", "equal sizes")
    )
    both = np.concatenate([chosen, chosen + len(rows)])
    return nearest(queries, vectors, hardware, among=both)[0]


def _pick(paths: Sequence[Path], sampled: shards.Samples, rows: np.ndarray) -> np.ndarray:
    """The synthetic images `rows` (numbers over all shards), in that order."""
    picked = np.empty((len(rows), *sampled.shape), sampled.dtype)
    for number in np.unique(sampled.shard[rows]):
        (images,) = shards.pixels([paths[number]])
        first = np.flatnonzero(sampled.shard == number)[0]
        here = np.flatnonzero(sampled.shard[rows] == number)
        picked[here] = images[rows[here] - first]
    return picked
