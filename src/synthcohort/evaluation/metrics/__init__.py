"""Metrics, one file each; a new metric is one new file in this folder.

A metric module has

- `EXTRACTOR`: whose features it measures in ("inception", "classifier", "bottleneck"), or None;
- `measure(settings, *, seed, material, figure, hardware)`: draws `figure` and returns the result's
  "value", "interval", "interval_method", "floor" ({"value", "interval"}: the same between real
  train and real test) and "details"; "extractor" and "layer" too where EXTRACTOR is None.
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The metrics there are: the module names in this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(name: str) -> ModuleType:
    """The module of a metric by its name."""
    return importlib.import_module(f"{__name__}.{name}")
