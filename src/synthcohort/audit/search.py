"""The search for train images among the synthetic ones, and what it would have found."""

import tempfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort import config
from synthcohort.audit import nearness
from synthcohort.audit.memorised import held_out, memorised, share_interval
from synthcohort.audit.power import sentences
from synthcohort.cohort import Cohort, open_cohort
from synthcohort.errors import UserError
from synthcohort.files import atomic_file, sha256, write_json
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.neighbours import nearest
from synthcohort.numerics.resampling import draw_patients, share
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
# Images of unseen patients, whole patients, that set the limits: enough for any.
STRANGERS = 3000


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
    images found under "copies" and "memorised", under "planted" what was found of planted leaks)
    and `arrays`, the npz that its figures are drawn from; real images are in it.

    Raises:
        UserError: the inputs do not belong together, or test has fewer than two patients.
    """
    from synthcohort.audit import detector, planted, verdict, ways
    from synthcohort.latents.space import Space

    hardware = hardware.exact()
    data, sampled = open_cohort(cohort, split), shards.describe(samples)
    means = np.load(latents / "mean.npy", mmap_mode="r", allow_pickle=False)
    _check(data, sampled, means, latents, samples)
    train, test, made = data.of("train"), data.of("test"), len(sampled.labels)
    out = Path(out)
    out.parent.mkdir(parents=True, exist_ok=True)
    with (
        tempfile.TemporaryDirectory(prefix=".audit-", dir=out.parent) as work,
        shards.mapped(samples, Path(work)) as synthetic,
    ):
        space = Space(autoencoder, means, train, data.images.dtype, Path(work), hardware)
        unseen = np.sort(np.concatenate([data.of("val"), test]))
        unseen = draw_patients(
            unseen, data.patients[unseen], STRANGERS, derive(seed, "audit", "unseen patients")
        )
        train_vectors, train_decoded = space.real(train, "train")
        test_vectors, _ = space.real(test, "test")
        unseen_vectors, unseen_decoded = space.real(unseen, "unseen")
        synthetic_vectors = space.synthetic(shards.pixels(samples), made)
        test_distance, _ = nearest(test_vectors[len(test) :], train_vectors, hardware)
        distance, place = nearest(synthetic_vectors, train_vectors, hardware)
        nearest_train = train[place % len(train)]
        _, unseen_place = nearest(unseen_vectors[len(unseen) :], train_vectors, hardware)
        to_train = nearness.train_or_test(
            synthetic_vectors, train_vectors, test_vectors, data, seed, hardware
        )

        network = detector.train(
            data.images,
            train,
            train_decoded,
            data.patients[train],
            space.through,
            seen=settings.detector_images,
            seed=derive(seed, "audit", "detector"),
            hardware=hardware,
        )
        known = ways.known(
            data.images,
            train,
            train_decoded,
            data.patients[train],
            network,
            space.through,
            hardware,
        )
        leaks = planted.plant(
            data,
            train,
            settings.planted,
            space.through,
            Path(work) / "planted-images.npy",
            derive(seed, "audit", "planted"),
        )
        leak_vectors = space.synthetic([leaks], len(leaks), "planted")
        leak_distance, _ = nearest(leak_vectors, train_vectors, hardware)
        looks, of_unseen, of_leaks = (
            ways.look(images, known, hardware) for images in (synthetic, unseen_decoded, leaks)
        )

    patients = data.patients[unseen]
    held_out_seed = derive(seed, "audit", "held out copies")
    of_synthetic = verdict.verdict(looks, of_unseen, patients, held_out_seed)
    of_planted = verdict.verdict(of_leaks, of_unseen, patients, held_out_seed)
    found, limit = memorised(distance, test_distance, settings.quantile)
    floor = held_out(
        test_distance, data.patients[test], settings.quantile, derive(seed, "audit", "held out")
    )
    leaks_found = ways.by_group(of_planted.found) | {planted.LATENTS: leak_distance <= limit}
    gates = {"any": settings.gates["copies"], planted.LATENTS: settings.gates["memorised_share"]}
    allowed = {way: gate.at_most for way, gate in gates.items() if gate.at_most is not None}
    rows = planted.table(leaks_found, len(leaks) // len(planted.names()), allowed)

    names, number = np.unique(data.patients[train], return_inverse=True)
    hits, worst_off, hit_shares = nearness.hits(
        number[place % len(train)],
        number[np.array([*of_synthetic.source.values()], dtype=np.int64)],
        number[unseen_place % len(train)],
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
            "planted": {
                "rows": rows,
                "false_alarms": of_synthetic.alarms["any"],
                "false_alarms_by_way": of_synthetic.alarms,
                **sentences(rows),
            },
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
