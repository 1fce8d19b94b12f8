"""All checks in order."""

from collections.abc import Callable, Iterable, Iterator
from pathlib import Path

from synthcohort.doctor import cohort_file, processor, surroundings
from synthcohort.doctor.finding import Finding
from synthcohort.hardware import Hardware, gpu


def examine(hardware: Hardware, results: Path, configfile: Path | None = None) -> Iterator[Finding]:
    """What the checks find, each as soon as it is found.

    `results` is the folder that the workflow writes to; `configfile` adds the checks of a system.
    """
    yield from _checked("driver", lambda: processor.driver(hardware))
    yield from _checked("cards", lambda: processor.cards(hardware))
    device = processor.opened(hardware)
    if not isinstance(device, Finding):
        yield from _checked("compiler", lambda: processor.compiler(hardware, device))
        yield from _checked("precision", lambda: processor.numbers(hardware, device))
        yield from _checked("speed", lambda: processor.speed(device))
        yield from _checked("NCCL", lambda: processor.nccl(hardware))
    elif hardware.device != "auto" and gpu.look().devices:  # otherwise the driver has told it
        yield device
    system = None
    if configfile is not None:
        system = cohort_file.settings(configfile)
        if isinstance(system, Finding):
            yield system
        else:
            yield Finding("settings", "ok", f"{configfile}: {system.name}")
            yield from _checked("source", lambda: cohort_file.source(system))
            if not isinstance(device, Finding):
                yield from _checked("denoiser", lambda: cohort_file.precisions(system, device))
    known = system is not None and not isinstance(system, Finding)
    yield from _checked(
        "disk", lambda: surroundings.disk(results, cohort_file.need(system) if known else 0)
    )
    yield from _checked("folders", lambda: surroundings.folders(results))
    yield from _checked("MLflow", lambda: surroundings.mlflow(results))
    yield from _checked("SLURM", surroundings.slurm)


def _checked(
    what: str, check: Callable[[], Finding | Iterable[Finding] | None]
) -> Iterator[Finding]:
    try:
        found = check()
        if isinstance(found, Finding):
            yield found
        elif found is not None:
            yield from found
    # A check that fails has found something, and the others are to be told as well.
    except Exception as error:
        told = (str(error).strip() or type(error).__name__).splitlines()[0]
        yield Finding(what, "bad", f"could not be checked: {told}")
