"""A run's model in MLflow: logged with every finished run, registered where its audit passed."""

import json
from collections.abc import Mapping, Sequence
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING

from synthcohort.files import sha256
from synthcohort.generator.model_folder import CARD, MODEL, RECORD, Record, read
from synthcohort.tracking.attempts import Point
from synthcohort.tracking.mlflow_run import Run, cut, note

if TYPE_CHECKING:
    from mlflow import MlflowClient

ALIAS = "audited"
_SAME = "synthcohort.model"
_VERSIONS = "mlflow.modelVersions"
"""Where MLflow's pages look up as what a model is registered."""


def register(
    client: "MlflowClient",
    experiment: str,
    run: Run,
    folder: Path,
    figures: Sequence[Point],
    gates: Mapping[str, str],
) -> None:
    """Log the model in `folder` under the pipeline run `run`, if it is not there yet.

    One whose audit passed is also registered under the system's name, with the alias `audited`;
    any other carries the audit's outcome in its name, its tags and the first line of its
    description. A second time changes nothing.

    Args:
        experiment: the id of MLflow's experiment.
        figures: the model's metrics.
        gates: outcomes of the gates and the like, its tags.

    Raises:
        UserError: the folder is damaged.
    """
    record, same = read(folder), sha256(folder / RECORD)
    there = client.search_logged_models([experiment], f"tags.`{_SAME}` = '{same}'")
    ready = [model for model in there if model.status == "READY"]
    passed = record.audit.outcome == "passed"
    if ready:
        model = ready[0].model_id
    else:
        model = _log(client, experiment, run, folder, record, {_SAME: same, **gates})
    run.output(model, record.images_seen)
    run.metrics(figures, model)
    if passed:
        _register(client, record, run, model)


def _log(
    client: "MlflowClient",
    experiment: str,
    run: Run,
    folder: Path,
    record: Record,
    tags: Mapping[str, str],
) -> str:
    from mlflow.models import Model
    from mlflow.pyfunc import save_model

    from synthcohort.generator.served import input_example, signature

    outcome = record.audit.outcome
    name = record.name if outcome == "passed" else f"{record.name}-AUDIT-{outcome.upper()}"
    made = client.create_logged_model(
        experiment,
        name,
        run.id,
        {
            key: cut(value)
            for key, value in (tags | {"audit": outcome, **_described(record)}).items()
        },
        {key: str(value) for key, value in record.sampling.model_dump().items() if key != "images"},
        "generator",
    )
    with TemporaryDirectory() as temporary:
        whole = Path(temporary) / "whole"
        save_model(
            whole,
            python_model=str(Path(__file__).with_name("mlflow_code.py")),
            artifacts={MODEL: str(folder)},
            signature=signature(record),
            input_example=input_example(record, folder),
            pip_requirements=pins(),
            metadata={"made_by": record.made_by, "audit": outcome, "licence": record.terms.licence},
            mlflow_model=Model(
                artifact_path=made.artifact_location,
                model_uuid=made.model_id,
                run_id=run.id,
                model_id=made.model_id,
            ),
        )
        client.log_model_artifacts(made.model_id, str(whole))
    client.finalize_logged_model(made.model_id, "READY")
    return made.model_id


def _described(record: Record) -> dict[str, str]:
    told = [
        f"**{record.warning}**" if record.warning else record.audit.headline,
        f"Draws {'×'.join(map(str, record.shape))} images of "
        f"{', '.join(label.name for label in record.labels) or 'one kind'}; licence: "
        f"{record.terms.licence}. The model card is {CARD} in its artifacts, below {MODEL}.",
    ]
    return note("\n\n".join(told))


def _register(client: "MlflowClient", record: Record, run: Run, model: str) -> None:
    from mlflow.exceptions import MlflowException

    name = record.name
    try:
        client.get_registered_model(name)
    except MlflowException:
        about = f"{record.title}: models of the system {name} whose audit passed."
        client.create_registered_model(name, description=about)
    versions = client.search_model_versions(f"name = '{name}'")
    # Its address models:/… would be looked up in MLflow's own idea of a store.
    source = client.get_logged_model(model).artifact_location
    mine = [version for version in versions if version.source == source]
    new = not mine
    if new:
        mine = [
            client.create_model_version(
                name,
                source,
                run.id,
                {"audit": record.audit.outcome},
                description=record.audit.headline,
                await_creation_for=None,
                model_id=model,
            )
        ]
    shown = json.dumps([{"name": name, "version": int(mine[0].version)}])
    if client.get_logged_model(model).tags.get(_VERSIONS) != shown:
        client.set_logged_model_tags(model, {_VERSIONS: shown})
    # Whoever has moved it since meant it.
    if new or ALIAS not in client.get_registered_model(name).aliases:
        client.set_registered_model_alias(name, ALIAS, str(mine[0].version))


def pins() -> list[str]:
    """What synthcohort needs, all the way down, as name==version of what is installed here: where
    the environment is that of the lock, the lock's."""
    from packaging.requirements import Requirement
    from packaging.utils import canonicalize_name
    from packaging.version import Version

    found: dict[str, str] = {}
    waiting = [("synthcohort", frozenset())]
    seen = set(waiting)
    while waiting:
        name, extras = waiting.pop()
        try:
            of = distribution(name)
        except PackageNotFoundError:  # needed elsewhere, on another platform say
            continue
        # A build's own mark, such as +cpu, is not known to a registry.
        found[name] = Version(of.version).public
        for text in of.requires or ():
            needed = Requirement(text)
            marks = [{"extra": extra} for extra in extras or ("",)]
            if needed.marker and not any(needed.marker.evaluate(mark) for mark in marks):
                continue
            one = canonicalize_name(needed.name), frozenset(needed.extras)
            if one not in seen:
                seen.add(one)
                waiting.append(one)
    found.pop("synthcohort")
    return [f"{name}=={version}" for name, version in sorted(found.items())]
