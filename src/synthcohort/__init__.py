"""From a cohort of medical images to a synthetic dataset and the evidence for it."""

import importlib
from importlib.metadata import version
from typing import Any

__version__ = version("synthcohort")
__all__ = ["__version__", "dataset", "generate"]


def __getattr__(name: str) -> Any:
    # They bring half of the package; most who import it want a part of it.
    if name in ("dataset", "generate"):
        return getattr(importlib.import_module("synthcohort.generator.generation"), name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
