"""The stage that draws the figures of the evaluation, from what the measurements have left."""

from collections.abc import Sequence
from pathlib import Path
from types import ModuleType

from synthcohort.errors import UserError
from synthcohort.evaluation import guidance, metrics, training_seeds
from synthcohort.evaluation.records import read_record
from synthcohort.evaluation.shared_figures import draw_note
from synthcohort.files import atomic_directory
from synthcohort.tracking.journal import Journal


def draw_evaluation(*, results: Sequence[Path], out: Path, journal: Journal) -> None:
    """Write the folder `out` with <metric>.png for each of `results` (<metric>.json, with
    <metric>.npz beside it).

    Raises:
        UserError: nothing draws such a result, or its npz is absent.
    """
    drawn = []
    with atomic_directory(out) as folder:
        for path in results:
            drawn.append(out / draw_record(path, folder).name)
    for figure in drawn:
        journal.figure(figure)


def draw_record(path: Path, folder: Path) -> Path:
    """Draw `folder`/<metric>.png from the result in `path`, or the note of one that does not apply;
    returns the figure's path. Raises as `draw_evaluation` does."""
    result, arrays = read_record(path)
    name, modules = result["metric"], drawing()
    if name not in modules:
        known = ", ".join(modules)
        raise UserError(f"{path}: nothing draws a result of {name!r}; there are {known}")
    figure = folder / f"{name}.png"
    if result["value"] is None and "note" in result:
        draw_note(figure, result["note"])
    else:
        modules[name].draw(figure, result, arrays)
    return figure


def drawing() -> dict[str, ModuleType]:
    """The modules that say how a result is drawn, and the `CAPTION` of its figure."""
    others = {"guidance": guidance, "training_seeds": training_seeds}
    return {name: metrics.module(name) for name in metrics.names()} | others


def captions() -> dict[str, str]:
    """What stands below each figure of the evaluation, as reStructuredText."""
    return {name: module.CAPTION for name, module in drawing().items()}
