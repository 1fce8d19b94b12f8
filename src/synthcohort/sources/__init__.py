"""Sources of images, one file each; a new source is one new file in this folder.

A source module has

- `Source`: its settings, a `synthcohort.settings.Settings` with `kind: Literal["<name>"]`;
- `read(settings, root)`: yields one `Image` at a time, in an order that is always the same;
- optionally `fetch(settings, root, seed)`: writes the raw cohort into the empty folder `root` (a
  download or a simulation). Without it, or where the settings name a place of the user's own
  (`settings.root` or `settings.path`), the cohort is there, and `read` gets no root.
"""

import importlib
import pkgutil
from types import ModuleType

from synthcohort.settings import Settings


def names() -> list[str]:
    """The kinds of source there are: the module names in this package."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__))


def module(kind: str) -> ModuleType:
    """The module of a source by its kind."""
    return importlib.import_module(f"{__name__}.{kind}")


def fetches(settings: Settings) -> bool:
    """Whether the raw cohort has to be fetched: the source can, and it is not in a place that the
    user has named."""
    named = any(getattr(settings, key, None) for key in ("root", "path"))
    return hasattr(module(settings.kind), "fetch") and not named
