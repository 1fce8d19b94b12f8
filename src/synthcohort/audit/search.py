"""The search for train images among the synthetic ones."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort import config
from synthcohort.audit import nearness
from synthcohort.audit.memorised import held_out, memorised, share_interval
from synthcohort.cohort import Cohort
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
        "Copies of train images",
        280,
        "privacy",
        "lower",
        "The share of synthetic images that repeat a train image, as it is, moved, recoloured or "
        "in part, beyond what images of unseen patients do; among these in the floor.",
        span=1.0,
    ),
    Measure(
        "memorised_share",
        "Memorised share",
        290,
        "privacy",
        "lower",
        "Synthetic images as near to a train image as the nearest few real test images are.",
        span=1.0,
    ),
    Measure(
        "nearer_to_train_than_test",
        "Nearer to train than to test",
        300,
        "privacy",
        "near",
        "The share of synthetic images nearer to a train image than to any test image; the floor "
        "is that share with the patients shuffled between train and test.",
        span=1.0,
    ),
    Measure(
        "hits_per_patient",
        "Hits on the worst-off train patient",
        305,
        "privacy",
        "lower",
        "The largest share of synthetic images that have one and the same train patient nearest; "
        "the same of images of unseen patients in the floor.",
        span=1.0,
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
    calibration: Path,
    samples: Sequence[Path],
    out: Path,
    arrays: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Compare every synthetic image in the shards `samples` with every train image.

    `latents` is the encode stage's folder, `calibration` that of `calibrate`. Writes `out` (JSON:
    the figures under "measures", the images found under "copies" and "memorised", under "planted"
    what was found of planted leaks) and `arrays`, the npz that its figures are drawn from; real
    images are in it.

    Raises:
        UserError: the inputs do not belong together, or test has fewer than two patients.
    """
    from synthcohort.audit import verdict, ways
    from synthcohort.audit.calibration import (
        held_out_seed,
        open_calibration,
        open_latents,
        origin,
    )
    from synthcohort.latents.space import Space

    hardware = hardware.exact()
    (data, means), sampled = open_latents(cohort, split, latents), shards.describe(samples)
    _require_alike(data, sampled, samples)
    calibrated = open_calibration(calibration, data, origin(split, means, seed))
    unseen, test_distance = calibrated.unseen, calibrated.test_distance
    train, test, made = data.of("train"), data.of("test"), len(sampled.labels)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".audit-", dir=out.parent) as work,
        shards.mapped(samples, Path(work)) as synthetic,
    ):
        space = Space(autoencoder, means, train, data.images.dtype, Path(work), hardware)
        train_vectors, train_decoded = space.real(train, "train")
        test_vectors, _ = space.real(test, "test")
        synthetic_vectors = space.synthetic(shards.pixels(samples), made)
        distance, place = nearest(synthetic_vectors, train_vectors, hardware)
        nearest_train = train[place % len(train)]
        to_train = nearness.train_or_test(
            synthetic_vectors, train_vectors, test_vectors, data, seed, hardware
        )
        known = ways.known(
            data.images,
            train,
            train_decoded,
            data.patients[train],
            calibrated.network.to(hardware.open()),
            space.through,
            hardware,
        )
        looks = ways.look(synthetic, known, hardware)

    patients = data.patients[unseen]
    of_synthetic = verdict.verdict(looks, calibrated.looks, patients, held_out_seed(seed))
    found, limit = memorised(distance, test_distance, settings.quantile)
    floor = held_out(
        test_distance, data.patients[test], settings.quantile, derive(seed, "audit", "held out")
    )

    names, number = np.unique(data.patients[train], return_inverse=True)
    hits, worst_off, hit_shares = nearness.hits(
        number[place % len(train)],
        number[np.array([*of_synthetic.source.values()], dtype=np.int64)],
        number[calibrated.nearest],
        patients,
        names,
        derive(seed, "audit", "hits"),
    )
    n = {"train": len(train), "test": len(test), "synthetic": made}
    measures = [
        verdict.measured(
            of_synthetic, {"train": len(train), "unseen": len(unseen), "synthetic": made}
        ),
        {
            "name": "memorised_share",
            "n": n,
            "patients": {
                name: len(np.unique(data.patients[rows]))
                for name, rows in (("train", train), ("test", test))
            },
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
        {"name": "nearer_to_train_than_test", "confidence": 0.95, **to_train},
        {"name": "hits_per_patient", "confidence": 0.95, **hits},
    ]

    told = verdict.Told(data, train, samples, sampled, nearest_train, distance, found, of_synthetic)
    order, listed = np.argsort(distance, kind="stable"), of_synthetic.listed()
    # The figure begins with the copies; of the others, those nearest in the latents.
    drawn = [*listed, *(i for i in order if not of_synthetic.copied[i])][: settings.pairs]
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
            "copies": [told.copy(i) for i in listed],
            "memorised": [told.near(i) for i in order if found[i]],
            "nearest": [told.near(i) for i in order[: settings.pairs]],
            "worst_off": worst_off,
            "planted": calibrated.planted,
            "samples": {path.name: sha256(path) for path in samples},
            "seed": seed,
        },
    )
    with atomic_file(arrays) as temporary:
        np.savez(
            temporary,
            test_distance=test_distance,
            distance=distance,
            hits=np.stack(hit_shares),
            synthetic=shards.pick(samples, sampled, np.array(drawn)),
            train=data.images[np.array([told.beside(i) for i in drawn])],
            told=np.array([told.words(i) for i in drawn]),
            alarming=np.array([bool(of_synthetic.copied[i] or found[i]) for i in drawn]),
        )
    journal.result(
        copies=measures[0]["value"],
        copies_false_alarms=measures[0]["floor"]["value"],
        memorised_share=measures[1]["value"],
        memorised_share_floor=measures[1]["floor"]["value"],
        nearer_to_train_than_test=to_train["value"],
        hits_per_patient=hits["value"],
        distance_limit=limit,
    )


def _require_alike(data: Cohort, sampled: shards.Samples, samples: Sequence[Path]) -> None:
    if (sampled.shape, sampled.dtype) != (data.images.shape[1:], data.images.dtype):
        raise UserError(
            f"{samples[0]}: images of {sampled.shape} {sampled.dtype}, but the cohort has "
            f"{data.images.shape[1:]} {data.images.dtype}; sample again from this cohort's model"
        )
