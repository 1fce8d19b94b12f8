"""What the search for copies brings along before it meets a sample: the detector that it trains,
what it says of images of unseen patients, which set its limits, and what it finds of planted leaks.

Nothing of it needs the samples, or even the denoiser, so it is made while that is still trained.
"""

import tempfile
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from synthcohort import config
from synthcohort.audit import detector, planted, verdict, ways
from synthcohort.audit.memorised import memorised
from synthcohort.audit.power import sentences
from synthcohort.cohort import Cohort, open_cohort
from synthcohort.errors import UserError
from synthcohort.files import (
    atomic_directory,
    digest,
    read_json,
    readable,
    sha256,
    write_json,
)
from synthcohort.hardware import Hardware
from synthcohort.latents.space import Space
from synthcohort.numerics.neighbours import nearest
from synthcohort.numerics.resampling import draw_patients
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

# Images of unseen patients, whole patients, that set the limits: enough for any.
STRANGERS = 3000


@dataclass(frozen=True)
class Calibration:
    """What `calibrate` has written."""

    network: detector.Network
    unseen: np.ndarray
    """Rows of N images of unseen patients."""
    looks: Mapping[str, ways.Look]
    """What every way says of these, decoded once."""
    nearest: np.ndarray
    """N int64: the train image nearest to each of them in the latents, a place among the M."""
    test_distance: np.ndarray
    """The distance of each test image, decoded once, to its nearest train image."""
    planted: Mapping
    """What is found of planted leaks, and how often images of unseen patients are taken for
    copies: "planted" of the search's results."""


def calibrate(
    settings: config.Audit,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    latents: Path,
    autoencoder: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Train the detector, look at images of unseen patients and at planted leaks.

    `latents` is the encode stage's folder. Writes the folder `out`, for `open_calibration`: the
    detector's weights (safetensors), looks.npz and planted.json; no image is in it.

    Raises:
        UserError: the inputs do not belong together, or test has fewer than two patients.
    """
    hardware, out = hardware.exact(), Path(out)
    data, means = open_latents(cohort, split, latents)
    train, test = data.of("train"), data.of("test")
    unseen = np.sort(np.concatenate([data.of("val"), test]))
    unseen = draw_patients(
        unseen, data.patients[unseen], STRANGERS, derive(seed, "audit", "unseen patients")
    )
    out.parent.mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".calibration-", dir=out.parent) as work:
        space = Space(autoencoder, means, train, data.images.dtype, Path(work), hardware)
        train_vectors, train_decoded = space.real(train, "train")
        test_vectors, _ = space.real(test, "test")
        unseen_vectors, unseen_decoded = space.real(unseen, "unseen")
        test_distance, _ = nearest(test_vectors[len(test) :], train_vectors, hardware)
        _, unseen_place = nearest(unseen_vectors[len(unseen) :], train_vectors, hardware)
        of_train = data.images, train, train_decoded, data.patients[train]
        network = detector.train(
            *of_train,
            space.through,
            seen=settings.detector_images,
            seed=derive(seed, "audit", "detector"),
            hardware=hardware,
        )
        known = ways.known(*of_train, network, space.through, hardware)
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
        of_unseen, of_leaks = (
            ways.look(images, known, hardware) for images in (unseen_decoded, leaks)
        )

    told = verdict.verdict(of_leaks, of_unseen, data.patients[unseen], held_out_seed(seed))
    near, _ = memorised(leak_distance, test_distance, settings.quantile)
    found = ways.by_group(told.found) | {planted.LATENTS: near}
    gates = {"any": settings.gates["copies"], planted.LATENTS: settings.gates["memorised_share"]}
    allowed = {way: gate.at_most for way, gate in gates.items() if gate.at_most is not None}
    rows = planted.table(found, len(leaks) // len(planted.names()), allowed)
    with atomic_directory(out) as folder:
        save_file(network.state_dict(), folder / "detector.safetensors")
        np.savez(
            folder / "looks.npz",
            unseen=unseen,
            nearest=unseen_place % len(train),
            test_distance=test_distance,
            ways=np.array(list(of_unseen)),
            scores=np.stack([look.score for look in of_unseen.values()]),
            places=np.stack([look.place for look in of_unseen.values()]),
            made_of=np.array(origin(split, means, seed)),
        )
        write_json(
            folder / "planted.json",
            {
                "rows": rows,
                "false_alarms": told.alarms["any"],
                "false_alarms_by_way": told.alarms,
                **sentences(rows),
            },
        )
    journal.result(
        copies_false_alarms=told.alarms["any"]["value"],
        planted_found=float(np.mean([row["found"]["any"] for row in rows])),
    )


def open_calibration(folder: Path, data: Cohort, made_of: str) -> Calibration:
    """What is in the folder, which was made of the same cohort, split, latents and seed
    (`made_of`).

    Raises:
        UserError: it was not, or is not whole.
    """
    remedy = "delete it and calibrate the search again (synthcohort calibrate)"
    damage = SafetensorError, KeyError, RuntimeError
    with (
        readable(folder, "no whole calibration of the search", remedy, *damage),
        np.load(folder / "looks.npz", allow_pickle=False) as held,
    ):
        network = detector.Network(data.images.shape[1])
        network.load_state_dict(load_file(folder / "detector.safetensors"))
        looks = zip(held["ways"], held["scores"], held["places"], strict=True)
        found = Calibration(
            network=network.eval(),
            unseen=held["unseen"],
            looks={str(way): ways.Look(score, place) for way, score, place in looks},
            nearest=held["nearest"],
            test_distance=held["test_distance"],
            planted=read_json(folder / "planted.json"),
        )
        told = str(held["made_of"])
    if told != made_of:
        raise UserError(f"{folder}: made of another cohort, split, autoencoder or seed; {remedy}")
    return found


def origin(split: Path, means: np.ndarray, seed: int) -> str:
    """What a calibration is made of, as a digest: the split with its images, the autoencoder, told
    by the `means` of some latents, and the seed."""
    return digest({"split": sha256(split), "latents": means[:4].tolist(), "seed": seed})


def held_out_seed(seed: int) -> int:
    """By which unseen patients are halved to count false alarms, of leaks and samples alike."""
    return derive(seed, "audit", "held out copies")


def open_latents(cohort: Path, split: Path, latents: Path) -> tuple[Cohort, np.ndarray]:
    """The cohort, and the mean latents of all its images (N×c×h×w, memory-mapped).

    Raises:
        UserError: they do not belong together, or test has fewer than two patients.
    """
    data = open_cohort(cohort, split)
    means = np.load(latents / "mean.npy", mmap_mode="r", allow_pickle=False)
    if len(means) != len(data.rows):
        raise UserError(
            f"{latents / 'mean.npy'}: {len(means)} latents, but the manifest has {len(data.rows)} "
            "images; encode the cohort again"
        )
    patients = len(np.unique(data.patients[data.of("test")]))
    if patients < 2:
        raise UserError(
            f"the audit compares with held-out patients and needs at least 2 in test, there are "
            f"{patients}; give split.fractions.test a larger share"
        )
    return data, means
