"""What both trainings have in common."""

from typing import Annotated, Literal

from pydantic import Field

from synthcohort.config.types import Positive, Weight
from synthcohort.settings import Settings


class Training(Settings):
    """What both trainings have; lengths are counted in images seen, not in steps."""

    images: Positive
    """How long to train: images seen, each counted every time."""
    batch: Positive = 64
    """Images a step."""
    optimizer: Literal["adamw", "muon"] = "adamw"
    """AdamW (Loshchilov 2019), or Muon (Jordan 2024) on the weights of convolutions and linear
    layers and AdamW on the rest: fewer images for the same loss, a few per cent more time each."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak of the learning rate, after a linear warm-up to it."""
    decay: Literal["cosine", "linear", "none"] = "cosine"
    """The learning rate after the warm-up: falling to zero along a cosine or a line, or the same
    to the end."""
    warmup_images: Annotated[int, Field(ge=0)] = 5_000
    """Images over which the learning rate rises from zero."""
    muon_learning_rate: Annotated[float, Field(gt=0)] = 0.02
    """Peak of the learning rate of Muon's weights; it rises and falls with `learning_rate`, which
    is that of the rest. Not used by AdamW."""
    weight_decay: Weight = 0.01
    """AdamW's decoupled weight decay; 0 makes it Adam."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    checkpoint_images: Annotated[int, Field(ge=0)] = 0
    """Images between two checkpoints, from which a killed training goes on, beside those that come
    by time (every ten minutes, or --checkpoint-minutes); 0: by time only."""
