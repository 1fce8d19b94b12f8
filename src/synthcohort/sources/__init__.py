"""Sources of images, one file each; a new source is one new file in this folder.

A source module has

- `Source`: its settings, a `synthcohort.settings.Settings` with `kind: Literal["<name>"]`;
- `read(settings, root)`: yields one `Image` at a time, in an order that is always the same;
- optionally `fetch(settings, root, seed)`: writes the raw cohort into the empty folder `root` (a
  download or a simulation). Without it the cohort is where the user put it (`settings.root`).
"""

import importlib
import pkgutil
from types import ModuleType


def names() -> list[str]:
    """The kinds of source there are: the module names in this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(kind: str) -> ModuleType:
    """The module of a source by its kind."""
    return importlib.import_module(f"{__name__}.{kind}")
