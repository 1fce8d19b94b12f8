"""What stands in for the two slowest parts of the evaluation in whole runs that are about the data.

Inception's network looks at every image for a tenth of a second, and UMAP's loops, which are not
compiled for a few points, take ten. The fixture `finished`, its repetition and the unit tests take
both as they are.
"""

import numpy as np
import torch
from torch import nn

from synthcohort.evaluation.extractors import inception
from synthcohort.numerics import common_map


class Coarse(nn.Module):
    """N×3×H×W grey values → their means in 4×4 fields, N×48."""

    def forward(self, pixels: torch.Tensor) -> tuple[torch.Tensor]:
        return (nn.functional.adaptive_avg_pool2d(pixels.float(), 4).flatten(1),)


def plane(features: dict[str, np.ndarray], _: int) -> dict[str, np.ndarray]:
    """The plane of largest variance, asked for and given as UMAP's map is."""
    values = np.concatenate(list(features.values()))
    scores, scale, _ = np.linalg.svd(values - values.mean(0), full_matrices=False)
    places = (scores * scale)[:, :2].astype(np.float32)
    ends = np.cumsum([len(part) for part in features.values()])
    return dict(zip(features, np.split(places, ends[:-1]), strict=True))


def put() -> None:
    """Put them in, for this process."""
    inception.build = lambda weights: Coarse()
    common_map.umap = plane
