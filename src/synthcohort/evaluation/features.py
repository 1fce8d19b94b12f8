"""Features of the sets, computed once for all metrics that measure in them."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation import extractors
from synthcohort.evaluation.sets import Set, open_sets
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
    decoded: Path | None = None,
    **models: Path | None,
) -> None:
    """Write an npz with the features of each set that `open_sets` gives (N×D float32) by its name,
    extractor and layer (text).

    `models` are the folders that the extractor needs (`extractors.module(extractor).MODELS`).

    Raises:
        UserError: no Inception weights, or ones of another sha256, or features that are not finite.
    """
    import torch

    name, layer, features = extractors.module(extractor).open_extractor(
        settings, seed, models, hardware
    )
    batch = BATCH[hardware.open().type]
    opened, _ = open_sets(sets, cohort=cohort, split=split, samples=samples, decoded=decoded)
    found = {}
    # The same image in two sets goes through the network once.
    shared = np.isin(opened["spread"].rows, opened["train"].rows) if "spread" in opened else []
    count = sum(len(part.images) for part in opened.values()) - int(np.sum(shared))
    with progress(f"Features ({extractor})", count) as bar:

        def computed(images: np.ndarray) -> np.ndarray:
            blocks = []
            for start in range(0, len(images), batch):
                with torch.inference_mode():
                    blocks.append(features(images[start : start + batch]).float().cpu().numpy())
                bar.update(len(blocks[-1]))
            return np.concatenate(blocks)

        for origin, part in opened.items():
            if origin == "spread":
                # Both have their rows in ascending order.
                place = np.searchsorted(opened["train"].rows, part.rows).clip(max=len(shared) - 1)
                found[origin] = found["train"][place]
                found[origin][~shared] = computed(part.images[~shared])
            else:
                found[origin] = computed(part.images)
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
        features = {name: file[name] if name in file else np.empty((0, 0)) for name in sets}
        about = {name: str(file[name]) for name in ("extractor", "layer")}
    for name, values in features.items():
        if len(values) != len(sets[name].images):
            raise UserError(
                f"{path}: features of {len(values)} {name} images, but sets.json names "
                f"{len(sets[name].images)}; delete the file and compute the features again"
            )
    return features, about
