"""Extractors of features, one file each; a new extractor is one new file in this folder.

An extractor module has

- `MODELS`: which of the folders "classifier", "autoencoder" and "diffusion" it needs;
- `AHEAD`: whether the real images' features are computed before there are samples: it takes none
  of these folders, and long enough for that to be worth a job;
- `open_extractor(settings, seed, models, hardware)`, `models` those folders by name: what the
  extractor and its layer are called in words, and a function that gives the features of n×C×H×W
  uint8 or uint16 images as n×D float32 tensors.
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The extractors there are: the module names in this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(name: str) -> ModuleType:
    """The module of an extractor by its name."""
    return importlib.import_module(f"{__name__}.{name}")
