"""All that is measured, by name: what the modules that measure say of their figures."""

from functools import cache

from synthcohort import config
from synthcohort.audit import search
from synthcohort.errors import UserError
from synthcohort.evaluation import guidance, metrics, training_seeds
from synthcohort.latents import reconstruction
from synthcohort.measures import Measure
from synthcohort.observer import study

LAST = 1_000_000
"""The place in the table of what no module has given one."""


@cache
def measures() -> dict[str, Measure]:
    """What is known of each figure by its name, in the order of the table."""
    modules = [
        reconstruction,
        guidance,
        training_seeds,
        study,
        search,
        *map(metrics.module, metrics.names()),
    ]
    found = [measure for module in modules for measure in getattr(module, "MEASURES", ())]
    return {measure.name: measure for measure in sorted(found, key=lambda one: one.place)}


def title(name: str) -> str:
    """What the table calls a figure; its name where no module has given it a title."""
    return measures()[name].title if name in measures() else name


def place(name: str) -> int:
    """Where a figure stands in the table."""
    return measures()[name].place if name in measures() else LAST


def reading(name: str) -> Measure:
    """How `metric`, or `metric.detail`, is read. A detail of which nothing is said is read as its
    metric is; a metric of which nothing is said is one of the further measurements."""
    known = measures()
    unknown = Measure(name, name, LAST, question="other", better="", sentence="")
    return known.get(name) or known.get(name.split(".")[0]) or unknown


def check_gates(settings: config.Audit) -> None:
    """Check that all gates are on figures that a run measures: the audit, which would tell it too,
    comes after hours of training.

    Raises:
        UserError: a gate asks for a figure that there is not.
    """
    measured = ["autoencoder", *metrics.names()]
    details = [name for name in measures() if "." in name and name.split(".")[0] in measured]
    known = [*(measure.name for measure in search.MEASURES), *measured, *details]
    if unknown := [name for name in settings.gates if name not in known]:
        raise UserError(
            f"configuration: audit.gates: no figure {unknown[0]!r}; there are {', '.join(known)}"
        )
