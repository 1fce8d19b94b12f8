"""Features of the sets, computed once for all metrics that measure in them."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation import extractors
from synthcohort.evaluation.sets import Set, open_sets, real_rows
from synthcohort.files import atomic_file, digest, readable, sha256
from synthcohort.hardware import Hardware
from synthcohort.progress import progress
from synthcohort.tracking.journal import Journal

# Larger batches of Inception's feature maps fall out of a CPU's cache: 15 images/s at 8, 5 at 32. A
# GPU would spend such small ones on being told what to do.
BATCH = {"cpu": 8, "cuda": 128}


def ahead(
    settings: Evaluation,
    *,
    extractor: str,
    seed: int,
    cohort: Path,
    split: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Write an npz with the features (K×D float32) of the real images that the sets will have, and
    their "rows" (K), for `extract`: no sample is needed for them.

    Raises:
        UserError: as `extract`.
    """
    data = open_cohort(cohort, split)
    rows = real_rows(settings, data, seed, split)
    with progress(f"Features of real images ({extractor})", len(rows)) as bar:
        _, _, computed = _open(settings, extractor, seed, {}, hardware, bar)
        features = _finite(computed(data.images[rows]), extractor, "real")
    made_of = np.array(_origin(extractor, split))
    with atomic_file(out) as temporary:
        np.savez(temporary, rows=rows, features=features, made_of=made_of)
    journal.result(**{f"{extractor}_features_ahead": len(rows)})


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
    ahead: Path | None = None,
    **models: Path | None,
) -> None:
    """Write an npz with the features of each set that `open_sets` gives (N×D float32) by its name,
    extractor and layer (text).

    `models` are the folders that the extractor needs (`extractors.module(extractor).MODELS`),
    `ahead` the file of that function, whose features are not computed again.

    Raises:
        UserError: no Inception weights, or ones of another sha256, or features that are not finite;
            what is `ahead` is of another split or extractor.
    """
    opened, _ = open_sets(sets, cohort=cohort, split=split, samples=samples, decoded=decoded)
    real = [name for name in opened if name not in ("synthetic", "decoded")]
    known = _ahead(ahead, _origin(extractor, split)) if ahead is not None else {}
    # The same image in two sets goes through the network once.
    missing = {int(row) for name in real for row in opened[name].rows} - known.keys()
    count = len(missing) + sum(len(opened[n].images) for n in opened if n not in real)
    found = {}
    with progress(f"Features ({extractor})", count) as bar:
        name, layer, computed = _open(settings, extractor, seed, models, hardware, bar)
        for origin, part in opened.items():
            if origin in real:
                new = np.array([row not in known for row in part.rows.tolist()], dtype=bool)
                if new.any():
                    features = computed(part.images[new])
                    known.update(zip(part.rows[new].tolist(), features, strict=True))
                features = np.stack([known[row] for row in part.rows.tolist()])
            else:
                features = computed(part.images)
            found[origin] = _finite(features, extractor, origin)
    with atomic_file(out) as temporary:
        np.savez(temporary, **found, extractor=np.array(name), layer=np.array(layer))
    journal.result(**{f"{extractor}_features": found["test"].shape[1]})


def _ahead(path: Path, made_of: str) -> dict[int, np.ndarray]:
    """The features in the file by row, which are of that origin."""
    remedy = "delete it and compute them again (synthcohort features-ahead)"
    with (
        readable(path, "no whole file of features", remedy, KeyError),
        np.load(path, allow_pickle=False) as file,
    ):
        if str(file["made_of"]) != made_of:
            raise UserError(f"{path}: features of another split or extractor; {remedy}")
        return dict(zip(file["rows"].tolist(), file["features"], strict=True))


def _origin(extractor: str, split: Path) -> str:
    return digest({"extractor": extractor, "split": sha256(split)})


def _open(
    settings: Evaluation,
    extractor: str,
    seed: int,
    models: Mapping[str, Path | None],
    hardware: Hardware,
    bar,
) -> tuple[str, str, Callable[[np.ndarray], np.ndarray]]:
    """Extractor and layer in words, and what computes the features of n×C×H×W images, n×D float32,
    telling the progress `bar`."""
    import torch

    name, layer, features = extractors.module(extractor).open_extractor(
        settings, seed, models, hardware
    )
    batch = BATCH[hardware.open().type]

    def computed(images: np.ndarray) -> np.ndarray:
        blocks = []
        for start in range(0, len(images), batch):
            with torch.inference_mode():
                blocks.append(features(images[start : start + batch]).float().cpu().numpy())
            bar.update(len(blocks[-1]))
        return np.concatenate(blocks)

    return name, layer, computed


def _finite(features: np.ndarray, extractor: str, origin: str) -> np.ndarray:
    if not np.isfinite(features).all():
        raise UserError(
            f"features of {extractor}: some of the {origin} images give infinite or "
            "undefined values; the model they come from has not been trained soundly"
        )
    return features


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
