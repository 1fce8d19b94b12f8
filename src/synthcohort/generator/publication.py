"""A run as MLflow shows it: its journals, what decides, and its model."""

import dataclasses
from collections.abc import Iterable, Mapping, Sequence
from functools import partial
from pathlib import Path

from synthcohort import config
from synthcohort.files import digest
from synthcohort.generator.mlflow_registry import register
from synthcohort.generator.model_folder import MODEL, RECORD, read
from synthcohort.report.headline import headline
from synthcohort.tracking.attempts import attempts
from synthcohort.tracking.publish import publish


def publish_run(
    system: config.Config,
    journals: Sequence[Path],
    *,
    artifacts: Iterable[Path] = (),
    stages: Mapping[str, str],
) -> str:
    """Bring MLflow up to the journals results/<name>/journal/*.jsonl and the model beside them,
    where the run has come so far; return the MLflow run id. A second time changes nothing.

    Args:
        artifacts: files attached to the pipeline run.
        stages: what each stage does, in words.

    Raises:
        UserError: as `publish`, or the model's folder is damaged.
    """
    values = system.model_dump(mode="json")
    key, results = digest(values), Path(journals[0]).parent.parent
    latest = [tried[-1] for journal in journals if (tried := attempts(Path(journal)))]
    told, figures = headline(system, results, latest, stages)
    model = results / MODEL
    # One of an earlier configuration lies there until the stage has run anew.
    if (model / RECORD).exists() and read(model).run == key:
        ended = max(attempt.last_heard for attempt in latest)
        points = [(name, value, ended, 0) for name, value in figures.items()]
        tags = {name: text for name, text in told.tags.items() if name.startswith("gate.")}
        logged = partial(register, folder=model, figures=points, gates=tags)
        told = dataclasses.replace(told, model=logged)
    names = {"experiment": system.name, "run_key": key, "config": values}
    return publish(journals, **names, artifacts=artifacts, told=told)
