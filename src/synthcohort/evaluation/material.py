"""What every metric is given: the three sets, and their features where it asks for them."""

from dataclasses import dataclass, field

import numpy as np

from synthcohort.evaluation.sets import Set


@dataclass(frozen=True)
class Material:
    sets: dict[str, Set]
    """"train", "test" and "synthetic", N images each."""
    label_names: list[str]
    """The cohort's label names by class number; [""] where it has none."""
    features: dict[str, np.ndarray] = field(default_factory=dict)
    """N×D float32 by set; empty for a metric without an extractor."""
