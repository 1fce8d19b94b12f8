"""The search for train images among the synthetic ones: near latents, and copies in pixels."""

import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from synthcohort import config
from synthcohort.audit import copies
from synthcohort.audit.neighbours import (
    draw_patients,
    held_out,
    memorised,
    nearest,
    share,
    share_interval,
)
from synthcohort.cohort import Cohort, blocks, open_cohort
from synthcohort.device import Hardware
from synthcohort.errors import UserError
from synthcohort.files import sha256, write_json
from synthcohort.samples import shards
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

QUANTILES = [0, 0.01, 0.05, 0.25, 0.5, 0.75, 1]


def search(
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

    `latents` is the encode stage's folder. Writes `out` (JSON: the figures under "measures", the
    images found under "copies" and "memorised") and two figures: the nearest `pairs` (with real
    images: never to be exported) and the histogram of the `distances` (without images).

    Raises:
        UserError: the inputs do not belong together, or test has fewer than two patients.
    """
    from synthcohort.audit.figures import draw_distances, draw_pairs
    from synthcohort.latents.space import Space

    data, sampled = open_cohort(cohort, split), shards.describe(samples)
    means = np.load(latents / "mean.npy", mmap_mode="r", allow_pickle=False)
    _check(data, sampled, means, latents, samples)
    train, test, made = data.of("train"), data.of("test"), len(sampled.labels)

    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".audit-", dir=out.parent) as work:
        space = Space(autoencoder, means, train, data.images.dtype, Path(work), hardware)
        train_vectors, train_decoded = space.real(train, "train")
        test_vectors, test_decoded = space.real(test, "test")
        synthetic_vectors = space.synthetic(shards.pixels(samples), made)

        test_distance, _ = nearest(test_vectors[len(test) :], train_vectors, hardware)
        distance, place = nearest(synthetic_vectors, train_vectors, hardware)
        nearest_train = train[place % len(train)]
        size = min(len(train), len(test))
        to_equal = [
            _distance_to_part(synthetic_vectors, vectors, data, rows, size, seed, hardware)
            for vectors, rows in ((train_vectors, train), (test_vectors, test))
        ]
        in_pixels = _copies(data, train, train_decoded, test_decoded, samples, made, hardware)

    found, limit = memorised(distance, test_distance, settings.quantile)
    floor = held_out(
        test_distance, data.patients[test], settings.quantile, derive(seed, "audit", "held out")
    )
    copied, told_of_copies, measured = _judge_copies(in_pixels, data, train, test, seed)

    def told(i: int) -> dict:
        return {
            "shard": samples[sampled.shard[i]].name,
            "label": sampled.label_names[sampled.labels[i]],
            "index": int(sampled.index[i]),
            "train_image": data.rows[nearest_train[i]]["image_id"],
            "distance": float(distance[i]),
        }

    n = {"train": len(train), "test": len(test), "synthetic": made}
    measures = [
        {"name": "copies", "n": n, **measured},
        {
            "name": "memorised_share",
            "n": n,
            "confidence": 0.95,
            "interval_method": "the wider of Wilson, over the synthetic images, and bootstrap over "
            "the test patients, by whom the limit is set",
            "floor": share(floor),
            "quantile": settings.quantile,
            "distance_limit": limit,
            "value": float(found.mean()),
            "interval": share_interval(
                distance,
                test_distance,
                data.patients[test],
                settings.quantile,
                derive(seed, "audit", "interval"),
            ),
        },
        {
            "name": "nearer_to_train_than_test",
            "n": {"train": size, "test": size, "synthetic": made},
            "confidence": 0.95,
            "interval_method": "Wilson, over the synthetic images only",
            "expected": 0.5,
            **share(to_equal[0] < to_equal[1]),
        },
    ]
    order = np.argsort(distance, kind="stable")
    # The figure begins with the copies in pixels; of the others, those nearest in the latents.
    drawn = [*sorted(told_of_copies, key=lambda i: told_of_copies[i]["missing"])]
    drawn = [*drawn, *(i for i in order if not copied[i])][: settings.pairs]
    beside = {i: told_of_copies[i]["row"] if copied[i] else nearest_train[i] for i in drawn}
    write_json(
        out,
        {
            "measures": measures,
            "distance": f"root-mean-square difference of {space.compares}, each channel in "
            "standard deviations over train",
            "quantiles": {
                "of": QUANTILES,
                "test": np.quantile(test_distance, QUANTILES).tolist(),
                "synthetic": np.quantile(distance, QUANTILES).tolist(),
            },
            "copies": [
                told(i)
                | {
                    "train_image": data.rows[told_of_copies[i]["row"]]["image_id"],
                    "way": told_of_copies[i]["way"],
                    "correlation": 1 - told_of_copies[i]["missing"],
                }
                for i in sorted(told_of_copies, key=lambda i: told_of_copies[i]["missing"])
            ],
            "memorised": [told(i) for i in order if found[i]],
            "nearest": [told(i) for i in order[: settings.pairs]],
            "samples": {path.name: sha256(path) for path in samples},
            "seed": seed,
        },
    )
    draw_distances(distances, test_distance, distance, limit, settings.quantile)
    draw_pairs(
        pairs,
        shards.pick(samples, sampled, np.array(drawn)),
        data.images[np.array([beside[i] for i in drawn])],
        [
            f"copy ({told_of_copies[i]['way']}), correlation {1 - told_of_copies[i]['missing']:.4f}"
            if copied[i]
            else f"distance {distance[i]:.3g}" + (" (memorised)" if found[i] else "")
            for i in drawn
        ],
        [bool(copied[i] or found[i]) for i in drawn],
        limit,
    )
    journal.result(
        copies=int(copied.sum()),
        memorised_share=measures[1]["value"],
        memorised_share_floor=measures[1]["floor"]["value"],
        nearer_to_train_than_test=measures[2]["value"],
        distance_limit=limit,
    )
    journal.figure(pairs)
    journal.figure(distances)


def _copies(
    data: Cohort,
    train: np.ndarray,
    train_decoded: np.ndarray,
    test_decoded: np.ndarray,
    samples: Sequence[Path],
    made: int,
    hardware: Hardware,
) -> dict[str, tuple[dict, dict]]:
    """By form of the train images: the most alike of the synthetic and of the test images."""
    forms = {
        "train image": (data.images, train),
        "its reconstruction": (train_decoded, np.arange(len(train))),
    }
    count = len(test_decoded)

    def real() -> Iterator[np.ndarray]:
        return (test_decoded[rows] for rows in blocks(np.arange(count)))

    return {
        form: (
            copies.most_alike(shards.pixels(samples), made, *among, hardware),
            copies.most_alike(real(), count, *among, hardware),
        )
        for form, among in forms.items()
    }


def _judge_copies(
    in_pixels: dict[str, tuple[dict, dict]],
    data: Cohort,
    train: np.ndarray,
    test: np.ndarray,
    seed: int,
) -> tuple[np.ndarray, dict[int, dict], dict]:
    """Which images are copies (N bools); of each of these its train image ("row"), in which way
    it is a copy and 1 − correlation ("missing"); and the figure "copies" with floor and limits."""
    copied, told, limits = None, {}, {}
    floor = np.zeros(len(test), dtype=bool)
    for form, (synthetic, real) in in_pixels.items():
        floor |= copies.held_out(real, data.patients[test], derive(seed, "audit", "held out"))
        for way, verdict in copies.judged(synthetic, real).items():
            match, found = synthetic[way], verdict["found"]
            copied = found if copied is None else copied | found
            limits[f"{form}, {way}"] = 1 - verdict["limit"]
            for i in np.flatnonzero(found).tolist():
                one = {
                    "row": int(train[match.place[i]]),
                    "way": way if form == "train image" else f"{form}, {way}",
                    "missing": float(match.missing[i]),
                }
                if i not in told or one["missing"] < told[i]["missing"]:
                    told[i] = one
    figure = {
        "value": int(copied.sum()),
        "interval": None,
        "interval_method": None,
        "floor": {"value": int(floor.sum()), "interval": None},
        "correlation_limits": limits,
    }
    return copied, told, figure


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
