"""The export: the synthetic dataset as a folder that can be handed on, once the audit has passed.

No real image goes into it, nor a figure that shows one.
"""

import shutil
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort import config, sources
from synthcohort.audit.gate import require_passed
from synthcohort.errors import UserError
from synthcohort.export import bids, checksums, croissant, dicom, imagefolder, medmnist, parquet
from synthcohort.export.assignment import assign, lacking
from synthcohort.export.card_loading import files
from synthcohort.export.statement import state
from synthcohort.files import atomic_directory, read_json, write_json
from synthcohort.models.start_folder import recorded_of
from synthcohort.samples import shards
from synthcohort.tracking.journal import Journal, git_revision

# A format is a module with `write(folder, samples, sampled, split, system)`: it writes the images
# of the shards `samples`, which `sampled` describes, somewhere below the exported folder, each to
# the part that `split` gives it (N texts, see `assign`), and leaves dropped ones out.
FORMATS = {
    "imagefolder": imagefolder,
    "medmnist": medmnist,
    "parquet": parquet,
    "dicom": dicom,
    "bids": bids,
}
# Of a result file what belongs to the public; the rest ("seconds", "details") stays.
PUBLIC = (
    "metric",
    "value",
    "unit",
    "interval",
    "confidence",
    "interval_method",
    "n",
    "patients",
    "note",
    "cannot_tell",
    "floor",
    "floor_one_per_patient",
    "difference_to_floor",
    "decoded",
    "extractor",
    "layer",
    "seed",
)
# Of a line of the table what is held against the card.
SHOWN = ("metric", "value", "interval", "floor")
AUDITED = ("passed", "outcome", "undecided", "gates", "measures", "planted")


def export(
    system: config.Config,
    *,
    samples: Sequence[Path],
    audit: Path,
    results: Sequence[Path],
    autoencoder: Path,
    diffusion: Path,
    grid: Path,
    embedding: Path,
    distances: Path,
    out: Path,
    journal: Journal,
) -> None:
    """Write the folder `out` from the shards `samples`.

    The folder holds the images in every one of `export.formats`, README.md (the dataset card) with
    figures/, results.json, croissant.json and SHA256SUMS; the same inputs give the same bytes.
    `results` are the metrics' files. The figures (`grid` of samples, `embedding`, `distances`) must
    not show real images. The card tells how the images were made, hence the configuration of the
    whole `system`. An older `out` is gone even where nothing is exported: what it holds has not
    passed this audit.

    Raises:
        UserError: the audit failed, is undecided or was made of other samples; the real images are
            restricted and `export.acknowledge` does not name their terms; or nothing is left of the
            samples. Nothing is written.
    """
    # They know every metric, hence torch; `synthcohort verify` comes through this package without.
    from synthcohort.export import card, rai
    from synthcohort.results import summary
    from synthcohort.results.readings import readings

    shutil.rmtree(out, ignore_errors=True)
    sources.require_acknowledged(system.source, system.export.acknowledge)
    audited = require_passed(audit, samples)
    sampled = shards.describe(samples)
    split = assign(sampled, system.export.fractions, system.seed, _dropped(sampled, audited))
    if not (split != "").any():
        raise UserError(
            f"{audit}: every synthetic image is memorised and dropped, so there is nothing to "
            "export; train for a shorter time or on more patients (diffusion.images)"
        )
    for told in lacking(sampled, split):
        print(f"Note: {told}", file=sys.stderr)
    figures = {
        "figures/samples.png": (grid, "Synthetic images, drawn at random."),
        "figures/embedding.png": (
            embedding,
            "UMAP of the denoiser's features of real and synthetic images.",
        ),
        "figures/distances.png": (
            distances,
            "Distance to the nearest train image, of real test images and of synthetic images.",
        ),
    }
    given = recorded_of(autoencoder, diffusion)
    stated = state(system, samples, sampled, split, git_revision(), given)
    entries = summary.entries(results, audit)
    read = readings(entries, audited)
    with atomic_directory(out) as folder:
        for name in system.export.formats:
            FORMATS[name].write(folder, samples, sampled, split, system)
        (folder / "figures").mkdir()
        for name, (figure, _) in figures.items():
            shutil.copyfile(figure, folder / name)
        write_json(
            folder / "results.json",
            {
                "dataset": stated.model_dump(mode="json"),
                "table": [
                    {"name": one.entry["metric"]} | {key: getattr(one.row, key) for key in SHOWN}
                    for one in read
                ],
                "results": [_public(read_json(path)) for path in results],
                "audit": {key: audited[key] for key in AUDITED if key in audited}
                | {"dropped": len(audited["dropped"])},
            },
        )
        card.write(
            folder / "README.md",
            card.Facts(
                system=system,
                stated=stated,
                sizes={part: _size(folder, files(stated.formats, part)) for part in stated.splits},
                samples=sampled,
                split=split,
                parameters={
                    "autoencoder": _parameters(autoencoder),
                    "diffusion": _parameters(diffusion / "unet"),
                },
                results=entries,
                audit=audited,
                figures={name: caption for name, (_, caption) in figures.items()},
            ),
        )
        croissant.write(folder, stated, rai.sentences(read, audited))
        sums = checksums.write(folder)
    journal.result(
        version=stated.version,
        content=stated.content,
        checksums=sums,
        images=int((split != "").sum()),
        **{f"images_{part}": int((split == part).sum()) for part in sorted(set(split) - {""})},
    )


def _dropped(sampled: shards.Samples, audited: dict) -> np.ndarray:
    """N bools: which samples the audit leaves out of the export."""
    images = {(image["label"], image["index"]) for image in audited["dropped"]}
    return np.array(
        [
            (sampled.label_names[label], int(index)) in images
            for label, index in zip(sampled.labels, sampled.index, strict=True)
        ]
    )


def _public(result: dict) -> dict:
    return {key: result[key] for key in PUBLIC if key in result}


def _size(folder: Path, pattern: str) -> int:
    found = folder.glob(pattern.replace("**", "**/*"))
    return sum(path.stat().st_size for path in found if path.is_file())


def _parameters(model: Path) -> int:
    """The number of weights in a saved model."""
    from math import prod

    from safetensors import safe_open

    total = 0
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            total += sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return total
