"""The MLflow store: reaching it, its experiments, and a model out of it."""

import json
import os
import re
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.errors import UserError
from synthcohort.files import atomic_file
from synthcohort.tracking.mlflow_run import note

if TYPE_CHECKING:
    from mlflow import MlflowClient

_VIEW_ID = "synthcohort"
VIEW = f"mlflow.sharedViewState.{_VIEW_ID}"
"""The tag of an experiment that holds its view."""
OPENED_BY = f"viewStateShareKey={_VIEW_ID}"
"""What opens the view, in an address of MLflow's pages."""
_LONGEST_PASS = 300  # seconds; another publisher that holds the lock for longer is stuck

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",  # of 7: a server that is away is told after 30 s
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
    "MLFLOW_UV_AUTO_DETECT": "false",  # it would take the working directory's for the model's
}


def tracking_uri() -> str:
    """MLFLOW_TRACKING_URI, or the SQLite database results/mlflow.db of the working directory."""
    default = f"sqlite:///{Path('results/mlflow.db').absolute()}"
    return os.environ.get("MLFLOW_TRACKING_URI") or default


def database(uri: str) -> Path | None:
    """The file of an SQLite store, None for any other store."""
    found = re.fullmatch(r"sqlite(?:\+\w+)?:///([^?]+)(?:\?.*)?", uri)
    return Path(found[1]).absolute() if found else None


def masked(text: str) -> str:
    """`text` without the user names and passwords in its addresses."""
    return re.sub(r"//[^/\s@]+@", "//***@", text)


@contextmanager
def opened(uri: str, folder: Path) -> Iterator["MlflowClient"]:
    """A client of the store at `uri`, for one publisher at a time.

    MLflow does not guard the making of a database, of an experiment or of a tagged run against
    two processes doing it at once; a lock beside the database (or in `folder`, where the store is
    a server) does.

    Raises:
        UserError: the store cannot be reached or refuses what it is sent.
    """
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from filelock import FileLock
    from mlflow import MlflowClient
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    file = database(uri)
    lock = folder / ".mlflow.lock" if file is None else file.with_name(f".{file.name}.lock")
    try:
        lock.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(lock, timeout=_LONGEST_PASS):
            if file is not None and not file.exists():
                _create(file)
            yield MlflowClient(tracking_uri=uri)
    except (MlflowException, SQLAlchemyError, ImportError, OSError) as error:
        raise UserError(
            f"MLflow at {masked(uri)}: {masked(_reason(error))}\n"
            f"The journals in {folder} hold everything. "
            "Mend the store, or set MLFLOW_TRACKING_URI to another one, and publish again."
        ) from error


def download_model(address: str, folder: Path) -> None:
    """Copy a model into `folder`: models:/<name>@<alias>, models:/<name>/<version> or, of one that
    is not registered, models:/<id>.

    Raises:
        UserError: the store has no such model, or cannot be reached.
    """
    uri = tracking_uri()
    file = database(uri)
    if file is not None and not file.exists():
        raise UserError(
            f"{address}: there is no {file}, where the runs of this folder would be; set "
            "MLFLOW_TRACKING_URI, or go to the folder that holds results/"
        )
    for name, value in _ENVIRONMENT.items():
        os.environ.setdefault(name, value)
    from mlflow import MlflowClient
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        where = _location(MlflowClient(uri), address.partition(":/")[2])
        download_artifacts(where, dst_path=str(folder), tracking_uri=uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise UserError(
            f"{address}: MLflow at {masked(uri)} does not give this model: "
            f"{masked(_reason(error))}\nA model is registered, as models:/<name>@audited, where "
            "its audit has passed."
        ) from error


def _location(client: "MlflowClient", model: str) -> str:
    # MLflow would look the address up in the store that the process has set, not in this one.
    name, alias = model.partition("@")[::2]
    if alias:
        version = client.get_model_version_by_alias(name, alias).version
    else:
        name, _, version = model.rpartition("/")
    if not name:
        return client.get_logged_model(version).artifact_location
    return client.get_model_version_download_uri(name, str(version))


def _reason(error: Exception) -> str:
    return (str(error).strip() or type(error).__name__).splitlines()[0][:400]


def _create(file: Path) -> None:
    # A process killed in the middle of MLflow's migrations would leave a database that no later
    # one can open.
    from mlflow.store.tracking.sqlalchemy_store import SqlAlchemyStore

    with atomic_file(file) as temporary:
        SqlAlchemyStore(f"sqlite:///{temporary}", str(artifact_root(file))).engine.dispose()


def artifact_root(file: Path) -> Path:
    """Where the artifacts of an SQLite store go: the folder mlruns beside it."""
    return file.with_name("mlruns")


def experiment_id(client: "MlflowClient", name: str) -> str:
    """The experiment of that name, made where there is none.

    Raises:
        UserError: it was deleted in MLflow.
    """
    from mlflow.entities import LifecycleStage
    from mlflow.exceptions import MlflowException

    experiment = client.get_experiment_by_name(name)
    if experiment is None:
        file = database(client.tracking_uri)
        location = None if file is None else (artifact_root(file) / name).as_uri()
        try:
            return client.create_experiment(name, artifact_location=location)
        except MlflowException:
            # On a server, another machine may have been quicker.
            experiment = client.get_experiment_by_name(name)
            if experiment is None:
                raise
    if experiment.lifecycle_stage != LifecycleStage.ACTIVE:
        raise UserError(
            f"MLflow at {masked(client.tracking_uri)}: the experiment {name!r} was deleted there. "
            f"Restore it (mlflow experiments restore -x {experiment.experiment_id}), remove it for "
            "good (mlflow gc), or give the system another name."
        )
    return experiment.experiment_id


def describe_experiment(
    client: "MlflowClient", experiment: str, markdown: str, columns: Sequence[str]
) -> None:
    """Give the experiment of that id its description, and a view of its runs with those columns
    (such as "metrics.`fid`"), which `synthcohort ui` opens and MLflow lists under Views. What is
    there stays: people change both."""
    of = client.get_experiment(experiment)
    state = json.dumps({"selectedColumns": list(columns)})
    # As MLflow's pages keep a saved view.
    view = {"name": "Figures that decide", "createdAt": of.creation_time, "state": state}
    for key, text in (note(markdown) | {VIEW: json.dumps(view)}).items():
        if key not in of.tags:
            client.set_experiment_tag(experiment, key, text)
