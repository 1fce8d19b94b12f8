"""The search for train images among the synthetic ones: near latents, and copies in pixels."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort import config
from synthcohort.audit import copies
from synthcohort.audit.memorised import draw_patients, held_out, memorised, share_interval
from synthcohort.cohort import Cohort, open_cohort
from synthcohort.errors import UserError
from synthcohort.files import atomic_file, sha256, write_json
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.neighbours import nearest
from synthcohort.numerics.resampling import share
from synthcohort.samples import shards
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

MEASURES = (
    Measure(
        "copies",
        "Copies of train images in pixels",
        280,
        "privacy",
        "lower",
        "The number of synthetic images whose pixels repeat a train image, shifted or mirrored, "
        "too; among as many real test images in the floor.",
    ),
    Measure(
        "memorised_share",
        "Memorised share",
        290,
        "privacy",
        "lower",
        "Synthetic images as near to a train image as the nearest few real test images are.",
    ),
    Measure(
        "nearer_to_train_than_test",
        "Nearer to train than to test",
        300,
        "privacy",
        "near",
        "The share of synthetic images nearer to a train image than to any of as many test "
        "images; one half is what images of strangers give.",
    ),
)
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
    arrays: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Compare every synthetic image in the shards `samples` with every train image.

    `latents` is the encode stage's folder. Writes `out` (JSON: the figures under "measures", the
    images found under "copies" and "memorised") and `arrays`, the npz that its figures are drawn
    from; real images are in it.

    Raises:
        UserError: the inputs do not belong together, or test has fewer than two patients.
    """
    from synthcohort.latents.space import Space

    hardware = hardware.exact()
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
        in_pixels = copies.search(data, train, train_decoded, test_decoded, samples, made, hardware)

    found, limit = memorised(distance, test_distance, settings.quantile)
    floor = held_out(
        test_distance, data.patients[test], settings.quantile, derive(seed, "audit", "held out")
    )
    copied, told_of_copies, measured = copies.measure(in_pixels, data, train, test, seed)

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
    with atomic_file(arrays) as temporary:
        np.savez(
            temporary,
            test_distance=test_distance,
            distance=distance,
            synthetic=shards.pick(samples, sampled, np.array(drawn)),
            train=data.images[np.array([beside[i] for i in drawn])],
            told=np.array(
                [
                    f"copy ({told_of_copies[i]['way']}), "
                    f"correlation {1 - told_of_copies[i]['missing']:.4f}"
                    if copied[i]
                    else f"distance {distance[i]:.3g}" + (" (memorised)" if found[i] else "")
                    for i in drawn
                ]
            ),
            alarming=np.array([bool(copied[i] or found[i]) for i in drawn]),
        )
    journal.result(
        copies=int(copied.sum()),
        memorised_share=measures[1]["value"],
        memorised_share_floor=measures[1]["floor"]["value"],
        nearer_to_train_than_test=measures[2]["value"],
        distance_limit=limit,
    )


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
