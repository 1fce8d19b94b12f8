"""The export: the synthetic dataset as a folder that can be handed on, once the audit has passed.

No real image goes into it, nor a figure that shows one.
"""

import shutil
from collections.abc import Sequence
from pathlib import Path

from synthcohort import config, shards, sources, summary
from synthcohort.audit.gate import require_passed
from synthcohort.export import card, checksums, imagefolder, medmnist
from synthcohort.export.split import assign
from synthcohort.files import atomic_directory, read_json, write_json
from synthcohort.tracking.journal import Journal

# Of a result file what belongs to the public; the rest ("seconds", "details") stays.
PUBLIC = (
    "metric",
    "value",
    "unit",
    "interval",
    "confidence",
    "interval_method",
    "n",
    "floor",
    "extractor",
    "layer",
    "seed",
)


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

    The folder holds imagefolder/ (PNG and metadata.csv), <name>.npz (MedMNIST's layout), README.md
    (the dataset card) with figures/, results.json and SHA256SUMS; the same inputs give the same
    bytes. `results` are the metrics' files. The figures (`grid` of samples, `embedding`,
    `distances`) must not show real images. The card tells how the images were made, hence the
    configuration of the whole `system`.

    Raises:
        UserError: the audit failed or was made of other samples, or the real images are restricted
            and `export.acknowledge` does not name their terms; nothing is written.
    """
    sources.require_acknowledged(system.source, system.export.acknowledge)
    audited = require_passed(audit, samples)
    sampled = shards.describe(samples)
    split = assign(sampled, system.export.fractions, system.seed)
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
    with atomic_directory(out) as folder:
        imagefolder.write(folder / "imagefolder", samples, sampled, split)
        medmnist.write(folder / f"{system.name}.npz", samples, sampled, split)
        (folder / "figures").mkdir()
        for name, (figure, _) in figures.items():
            shutil.copyfile(figure, folder / name)
        write_json(
            folder / "results.json",
            {
                "results": [_public(read_json(path)) for path in results],
                "audit": {key: audited[key] for key in ("passed", "gates", "measures")},
            },
        )
        card.write(
            folder / "README.md",
            card.Facts(
                system=system,
                samples=sampled,
                split=split,
                parameters={
                    "autoencoder": _parameters(autoencoder),
                    "diffusion": _parameters(diffusion / "unet"),
                },
                results=summary.rows(results, audit),
                audit=audited,
                figures={name: caption for name, (_, caption) in figures.items()},
            ),
        )
        checksums.write(folder)
    journal.result(
        images=len(split), **{f"images_{part}": int((split == part).sum()) for part in set(split)}
    )


def _public(result: dict) -> dict:
    return {key: result[key] for key in PUBLIC if key in result}


def _parameters(model: Path) -> int:
    """The number of weights in a saved model."""
    from math import prod

    from safetensors import safe_open

    total = 0
    for path in sorted(model.glob("*.safetensors")):
        with safe_open(path, "numpy") as file:
            total += sum(prod(file.get_slice(name).get_shape()) for name in file.keys())  # noqa: SIM118
    return total
