"""The headline figures of a diffusion model that has been trained again with another seed.

It draws as many images of each label as the first model's images that are compared, and these are
held against the same real images: what differs is the training and what it draws.
"""

from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.config import Evaluation, Sampling
from synthcohort.evaluation import extractors, metrics
from synthcohort.evaluation.evaluate import measured
from synthcohort.evaluation.features import BATCH, open_features
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.sets import Set, classes_of, open_sets
from synthcohort.evaluation.training_seeds import FIGURES, figure_of
from synthcohort.files import write_json
from synthcohort.hardware import Hardware
from synthcohort.samples import shards
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal


def measure_again(
    settings: Evaluation,
    sampling: Sampling,
    *,
    training: int,
    seed: int,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    sets: Path,
    features: Sequence[Path],
    classifier: Path,
    autoencoder: Path,
    diffusion: Path,
    latents: Path,
    drawn: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Draw images with the model of `training` (2, 3, …) and measure `training_seeds.FIGURES`.

    `samples` and `sets` are those of the first training, `features` the files of all extractors
    (features-<extractor>.npz) with the real images' features. Writes `drawn`, a shard of synthetic
    images, and `out`: {"training", "results": the result of each metric by its name}.

    Raises:
        UserError: the files do not belong together.
    """
    from synthcohort.samples.sampler import Sampler

    opened, label_names = open_sets(sets, cohort=cohort, split=split, samples=samples)
    data = open_cohort(cohort, split)
    # As many of each label as the first training's images that are compared.
    counts = np.bincount(opened["synthetic"].classes, minlength=len(label_names)).tolist()
    asked = sampling.model_copy(
        update={"images": dict(zip(label_names, counts, strict=True)), "shard": sum(counts)}
    )
    Sampler(
        asked,
        seed=derive(seed, "training", training),
        cohort=cohort,
        split=split,
        autoencoder=autoencoder,
        diffusion=diffusion,
        hardware=hardware,
        shards=1,
    ).write(0, drawn)
    made = shards.describe([drawn])
    (images,) = shards.pixels([drawn])
    rows = np.arange(len(images))
    patients = np.array([f"synthetic {row}" for row in rows])
    again = Set(images, classes_of(made, data, [drawn]), patients, rows)
    models = {
        "classifier": classifier,
        "autoencoder": autoencoder,
        "diffusion": diffusion,
        "latents": latents,
    }
    files = {path.stem.removeprefix("features-"): path for path in features}
    results = {}
    for name in dict.fromkeys(figure.split(".")[0] for figure in FIGURES):
        extractor = metrics.module(name).EXTRACTOR
        values, about = {}, {"extractor": None, "layer": None}
        if extractor is not None:
            values, about = open_features(files[extractor], opened)
            values |= {"synthetic": _features(extractor, settings, seed, models, images, hardware)}
        material = Material(
            opened | {"synthetic": again},
            label_names,
            values,
            cohort=data,
            samples=[drawn],
            models=models,
            about=about,
            work=out.parent,
        )
        results[name], _ = measured(name, settings, seed=seed, material=material, hardware=hardware)
    write_json(out, {"training": training, "results": results})
    values = {name: figure_of(results, name)["value"] for name in FIGURES}
    journal.result(**{name: value for name, value in values.items() if value is not None})


def _features(
    extractor: str,
    settings: Evaluation,
    seed: int,
    models: dict[str, Path],
    images: np.ndarray,
    hardware: Hardware,
) -> np.ndarray:
    """N×D float32."""
    import torch

    *_, features = extractors.module(extractor).open_extractor(settings, seed, models, hardware)
    batch = BATCH[hardware.open().type]
    with torch.inference_mode():
        return np.concatenate(
            [
                features(images[start : start + batch]).float().cpu().numpy()
                for start in range(0, len(images), batch)
            ]
        )
