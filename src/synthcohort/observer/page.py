"""The page of the observer study: real test and synthetic images, one at a time, in one file."""

import base64
import io
import json
from collections import Counter, defaultdict
from collections.abc import Sequence
from importlib import resources
from pathlib import Path

import numpy as np
from PIL import Image

from synthcohort.cohort import Cohort, as_uint8, open_cohort
from synthcohort.config import Observer
from synthcohort.errors import UserError
from synthcohort.files import atomic_file, digest, write_json
from synthcohort.observer import KEY, PAGE, REAL, SYNTHETIC
from synthcohort.samples import shards
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal


def make_page(
    settings: Observer,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    out: Path,
    journal: Journal,
) -> None:
    """Write `out`/index.html, the page, and `out`/key.json, what each of its images is.

    As many synthetic as real test images are shown, with the same labels; the real ones come from
    as many patients as there are. Images of 16 bits are shown in 8. Both files depend on the
    arguments alone. The page holds real images, so it is no part of the export.

    Raises:
        UserError: no label has both real test and synthetic images.
    """
    data, sampled = open_cohort(cohort, split), shards.describe(samples)
    random = np.random.default_rng(derive(seed, "observer", "page"))
    pairs = _matched(data, sampled, settings.images, random)
    if not pairs:
        raise UserError(
            f"{split}: no label has both real test images and synthetic ones, so there is nothing "
            "to tell apart; give test more patients (split.fractions) or raise sampling.images"
        )
    rows = [row for _, row in pairs]
    made = shards.pick(samples, sampled, np.array(rows))
    images = [_real(data, row, random) for row, _ in pairs]
    images += [
        _synthetic(samples, sampled, row, pixels, random)
        for row, pixels in zip(rows, made, strict=True)
    ]
    images = [images[i] for i in random.permutation(len(images))]
    pngs = [image.pop("png") for image in images]

    # Other images, another order or another truth is another study.
    study = digest([images, pngs])
    veils = random.integers(8, size=len(images)).tolist()
    shown = [
        {"key": image["key"], "veil": _veiled(image, veil), "png": png}
        for image, veil, png in zip(images, veils, pngs, strict=True)
    ]
    template = resources.files("synthcohort.observer").joinpath("page.html")
    page = template.read_text(encoding="utf-8")
    page = page.replace("{{study}}", json.dumps({"study": study, "images": shown}))
    write_json(out / KEY, {"study": study, "seed": seed, "images": images})
    with atomic_file(out / PAGE) as temporary:
        temporary.write_text(page, encoding="utf-8")
    journal.result(study=study, real_images=len(pairs), synthetic_images=len(pairs))


def _matched(
    data: Cohort, sampled: shards.Samples, most: int, random: np.random.Generator
) -> list[tuple[int, int]]:
    """At most `most` pairs of a test image's and a sample's row number, alike in label."""
    of_label = defaultdict(list)
    for row in random.permutation(len(sampled.labels)).tolist():
        of_label[sampled.label_names[sampled.labels[row]]].append(row)
    # The first image of every patient comes before the second of any.
    test, patients, turns = random.permutation(data.of("test")), Counter(), []
    for row in test:
        patients[data.rows[row]["patient_id"]] += 1
        turns.append(patients[data.rows[row]["patient_id"]])
    pairs = []
    for row in test[np.argsort(turns, kind="stable")].tolist():
        left = of_label[data.rows[row]["label"]]
        if left and len(pairs) < most:
            pairs.append((row, left.pop()))
    return pairs


def _real(data: Cohort, row: int, random: np.random.Generator) -> dict[str, str]:
    about = data.rows[row]
    return {
        "truth": REAL,
        "image": about["image_id"],
        "label": about["label"],
        "patient": about["patient_id"],
    } | _shown(data.images[row], random)


def _synthetic(
    samples: Sequence[Path],
    sampled: shards.Samples,
    row: int,
    pixels: np.ndarray,
    random: np.random.Generator,
) -> dict[str, str]:
    label = sampled.label_names[sampled.labels[row]]
    return {
        "truth": SYNTHETIC,
        "image": f"{samples[sampled.shard[row]].name}, {label} {sampled.index[row]}",
        "label": label,
        "patient": "",
    } | _shown(pixels, random)


def _shown(pixels: np.ndarray, random: np.random.Generator) -> dict[str, str]:
    """A key that says nothing, and the PNG of a C×H×W image in base64."""
    shown = as_uint8(pixels)
    shown = shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)
    file = io.BytesIO()
    Image.fromarray(shown).save(file, "PNG")
    png = base64.b64encode(file.getvalue()).decode()
    return {"key": f"{random.integers(2**48):012x}", "png": png}


def _veiled(image: dict[str, str], veil: int) -> int:
    """The page has to know the truth, but nobody should read it in passing: it is whether the sum
    of this number and the key's last digit is odd."""
    return 2 * veil + (int(image["key"][-1], 16) + (image["truth"] == SYNTHETIC)) % 2
