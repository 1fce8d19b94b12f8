"""scikit-learn's bundled digits: 1,797 real handwritten digits of 8×8 pixels, no download."""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import numpy as np

from synthcohort.settings import Settings
from synthcohort.sources import Image, Terms

TERMS = Terms(
    "CC BY 4.0",
    "Optical Recognition of Handwritten Digits (Alpaydin, Kaynak 1998), as scikit-learn bundles it",
    "Name the source.",
)


class Source(Settings):
    kind: Literal["digits"] = "digits"


def read(settings: Source, root: Path | None) -> Iterator[Image]:
    """Every digit, 8×8 uint8; nobody knows who wrote which, so each is its own patient."""
    from sklearn.datasets import load_digits

    digits = load_digits()
    for i, (pixels, label) in enumerate(zip(digits.images, digits.target, strict=True)):
        yield Image(
            # 17 grey levels, 0 to 16, over the full range of uint8.
            pixels=np.round(pixels * (255 / 16)).astype(np.uint8),
            image_id=f"digit-{i:04d}",
            patient_id=f"digit-{i:04d}",
            source_file="sklearn.datasets.load_digits",
            label=str(label),
        )
