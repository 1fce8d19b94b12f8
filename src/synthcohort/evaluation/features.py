"""Features of the three sets, computed once for all metrics that measure in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation import extractors
from synthcohort.evaluation.sets import NAMES, Set, open_sets
from synthcohort.files import atomic_file
from synthcohort.hardware import Hardware
from synthcohort.progress import progress
from synthcohort.tracking.journal import Journal

# Larger batches of Inception's feature maps fall out of a CPU's cache: 15 images/s at 8, 5 at 32. A
# GPU would spend such small ones on being told what to do.
BATCH = {"cpu": 8, "cuda": 128}


def extract(
    settings: Evaluation,
    *,
    extractor: str,
    seed: int,
    cohort: Path,
    split: Path,
    samples: Sequence[Path],
    sets: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
    **models: Path | None,
) -> None:
    """Write an npz with train, test and synthetic (N×D float32), extractor and layer (text).

    `models` are the folders that the extractor needs (`extractors.module(extractor).MODELS`).

    Raises:
        UserError: no Inception weights, or ones of another sha256, or features that are not finite.
    """
    import torch

    name, layer, features = extractors.module(extractor).open_extractor(
        settings, seed, models, hardware
    )
    batch = BATCH[hardware.open().type]
    opened, _ = open_sets(sets, cohort=cohort, split=split, samples=samples)
    found = {}
    with progress(f"Features ({extractor})", sum(len(s.images) for s in opened.values())) as bar:
        for origin, part in opened.items():
            blocks = []
            for start in range(0, len(part.images), batch):
                images = part.images[start : start + batch]
                with torch.inference_mode():
                    blocks.append(features(images).float().cpu().numpy())
                bar.update(len(images))
            found[origin] = np.concatenate(blocks)
            if not np.isfinite(found[origin]).all():
                raise UserError(
                    f"features of {extractor}: some of the {origin} images give infinite or "
                    "undefined values; the model they come from has not been trained soundly"
                )
    with atomic_file(out) as temporary:
        np.savez(temporary, **found, extractor=np.array(name), layer=np.array(layer))
    journal.result(**{f"{extractor}_features": found["test"].shape[1]})


def open_features(
    path: Path, sets: Mapping[str, Set]
) -> tuple[dict[str, np.ndarray], dict[str, str]]:
    """The features by set, and {"extractor", "layer"} in words.

    Raises:
        UserError: they are not of as many images as the sets have.
    """
    with np.load(path, allow_pickle=False) as file:
        features = {name: file[name] for name in NAMES}
        about = {name: str(file[name]) for name in ("extractor", "layer")}
    for name, values in features.items():
        if len(values) != len(sets[name].images):
            raise UserError(
                f"{path}: features of {len(values)} {name} images, but sets.json names "
                f"{len(sets[name].images)}; delete the file and compute the features again"
            )
    return features, about
