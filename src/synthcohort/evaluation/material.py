"""What every metric is given: the sets, their features, and what the sets were taken from."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from tempfile import gettempdir

import numpy as np

from synthcohort.cohort import Cohort
from synthcohort.evaluation.sets import Set


@dataclass(frozen=True)
class Material:
    sets: dict[str, Set]
    """"train", "test" and "synthetic", N images each; "decoded" and "spread" where there are such
    (`evaluation.sets`)."""
    label_names: list[str]
    """The cohort's label names by class number; [""] where it has none."""
    features: dict[str, np.ndarray] = field(default_factory=dict)
    """N×D float32 by set; empty for a metric without an extractor."""
    beside: dict[str, np.ndarray] = field(default_factory=dict)
    """The same of the second extractor of a metric that asks for one (`BESIDE`)."""
    cohort: Cohort | None = None
    """All real images with their split."""
    samples: Sequence[Path] = ()
    """All shards of synthetic images."""
    models: Mapping[str, Path] = field(default_factory=dict)
    """The folders that the metric asks for by its `MODELS`."""
    about: Mapping[str, str | None] = field(default_factory=dict)
    """What the features are of, in words: "extractor" and "layer"."""
    work: Path = Path(gettempdir())
    """Where large temporary files may be put."""
    kept: dict = field(default_factory=dict)
    """What a metric has computed that another one of the same job may take as well."""


def restricted(material: Material, places: Mapping[str, np.ndarray]) -> Material:
    """The same of those images alone that stand at the `places` (int64) of each set."""
    sets = {
        name: replace(
            part,
            images=part.images[places[name]],
            classes=part.classes[places[name]],
            patients=part.patients[places[name]],
            rows=part.rows[places[name]],
        )
        for name, part in material.sets.items()
    }
    features = {name: of[places[name]] for name, of in material.features.items()}
    return replace(material, sets=sets, features=features)
