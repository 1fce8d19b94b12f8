"""Metrics, one file each; a new metric is one new file in this folder.

A metric module says all that is known of the metric. It has

- `EXTRACTOR`: whose features it measures in (a name in `extractors.names()`), or None;
- `BESIDE`, where it measures in a second extractor's features too (`material.beside`): its name,
  one for all metrics of an EXTRACTOR;
- `JOB`, where it shares a job with others though it has no extractor: that job's name;
- `MODELS`, where it needs them: folders of the run, of "classifier", "autoencoder", "diffusion" and
  "latents", that come in `material.models`;
- `NEEDS`, where it is only measured with some setting of the evaluation: that setting's name;
- `MEASURES`: how each of its figures is called and read (`synthcohort.measures`);
- `CAPTION`: the text below its figure, as reStructuredText;
- `measure(settings, *, seed, material, hardware)`: returns the result and the arrays, by name, that
  the figure needs beside it. The result has "value", "interval", "interval_method", "floor"
  ({"value", "interval"}: the same between real train and real test, or None where there is no such
  thing) and "details"; where it can, "decoded" (the same of train images that have gone through the
  autoencoder), "floor_one_per_patient" (of as many patients as there are), the value less each of
  these ("difference_to_floor" and so on, each with its "interval"), and "cannot_tell", a sentence,
  where this cohort does not let the figure see what it claims; "extractor" and "layer" too where
  EXTRACTOR is None, and "n" where it did not compare the three sets. An entry of "details" that is
  itself a figure, as {"value", "interval"} and what it is held against, has its line in the table
  of results if "<metric>.<entry>" is among the MEASURES; "measure" says there what it is where that
  depends on the cohort. "note" says which labels the result covers (`covered.note`) where these are
  not those of the three sets, "" where it covers all. A metric that this cohort gives nothing to
  measure returns `not_applicable(note), {}`;
- `draw(path, result, arrays)`: draws the figure of the whole result as it stands in the file, which
  a later stage may do anew without measuring.

Metrics with the same extractor are measured in one job, others each in a job of its own.
"""

import importlib
import pkgutil
from collections.abc import Sequence
from types import ModuleType
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthcohort.config import Evaluation


def names(settings: "Evaluation | None" = None) -> list[str]:
    """The metrics there are: the module names in this package; or those that `settings` ask for."""
    known = sorted(module.name for module in pkgutil.iter_modules(__path__))
    if settings is None:
        return known
    needed = {name: getattr(module(name), "NEEDS", None) for name in known}
    return [name for name in known if needed[name] is None or getattr(settings, needed[name])]


def module(name: str) -> ModuleType:
    """The module of a metric by its name."""
    return importlib.import_module(f"{__name__}.{name}")


def jobs(settings: "Evaluation") -> dict[str, list[str]]:
    """The metrics of each job, by the name of their extractor or, without one, of their `JOB` or
    their own."""
    found: dict[str, list[str]] = {}
    for name in names(settings):
        metric = module(name)
        found.setdefault(metric.EXTRACTOR or getattr(metric, "JOB", name), []).append(name)
    return found


def models(measured: Sequence[str]) -> list[str]:
    """The folders that these metrics need, by name."""
    asked = (getattr(module(name), "MODELS", ()) for name in measured)
    return sorted({model for of_metric in asked for model in of_metric})


def beside(measured: Sequence[str]) -> list[str]:
    """The second extractor of these metrics, which share the first; none or one."""
    return sorted({of for name in measured if (of := getattr(module(name), "BESIDE", None))})


def not_applicable(note: str) -> dict:
    """The result of a metric that does not apply to this cohort; `note` says why, and is drawn in
    place of a figure."""
    return {
        "value": None,
        "interval": None,
        "interval_method": None,
        "floor": None,
        "note": note,
        "details": {},
    }
