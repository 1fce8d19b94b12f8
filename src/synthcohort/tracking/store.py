"""The MLflow store, and one run in it that is brought up to date by sending what is missing."""

import os
import posixpath
import re
import sys
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from synthcohort.errors import UserError
from synthcohort.files import atomic_file, sha256
from synthcohort.tracking.attempts import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MAX_PARAM, _MAX_TAG, _MAX_NAME, _MAX_DIGEST = 6000, 8000, 250, 36
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}
_LONGEST_PASS = 300  # seconds; another publisher that holds the lock for longer is stuck

_ENVIRONMENT = {
    "MLFLOW_DISABLE_TELEMETRY": "true",
    "MLFLOW_ENABLE_ARTIFACTS_PROGRESS_BAR": "false",
    "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "4",  # of 7: a server that is away is told after 30 s
    "MLFLOW_LOGGING_LEVEL": "CRITICAL",
    "MLFLOW_SUPPRESS_PRINTING_URL_TO_STDOUT": "true",
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
    """Copy the registered or logged model at `address` (models:/…) into `folder`.

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
    from mlflow.artifacts import download_artifacts
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        download_artifacts(address, dst_path=str(folder), tracking_uri=uri)
    except (MlflowException, SQLAlchemyError, OSError) as error:
        raise UserError(
            f"{address}: MLflow at {masked(uri)} does not give this model: "
            f"{masked(_reason(error))}\nA model is registered, as models:/<name>@audited, where "
            "its audit has passed."
        ) from error


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


class Run:
    """A run in MLflow; every method sends only what is not there yet."""

    def __init__(self, client: "MlflowClient", run_id: str) -> None:
        run = client.get_run(run_id)
        self.id = run_id
        self._client = client
        self._state = (run.info.status, run.info.end_time)
        self._params = dict(run.data.params)
        self._tags = dict(run.data.tags)
        self._points = {
            _same(point.key, point.value, point.step)
            for name in run.data.metrics
            for point in client.get_metric_history(run_id, name)
        }
        self._inputs = {(i.dataset.name, i.dataset.digest) for i in run.inputs.dataset_inputs}
        self._artifacts: dict[str, str] = {}

    def params(self, values: Mapping[str, str]) -> None:
        """Parameters; one that is there keeps its value, as MLflow demands."""
        from mlflow.entities import Param

        values = {_name(key): _cut(value, _MAX_PARAM) for key, value in values.items()}
        new = {key: value for key, value in values.items() if key not in self._params}
        self._log("params", [Param(key, value) for key, value in new.items()])
        self._params |= new

    def tags(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        values = {_name(key): _cut(value, _MAX_TAG) for key, value in values.items()}
        new = {key: value for key, value in values.items() if self._tags.get(key) != value}
        self._log("tags", [RunTag(key, value) for key, value in new.items()])
        self._tags |= new

    def metrics(self, points: Iterable[Point]) -> None:
        from mlflow.entities import Metric

        new = {}
        for key, value, time, step in points:
            point = Metric(_name(key), value, time, step)
            identity = _same(point.key, value, step)
            if identity not in self._points:
                new[identity] = point
        self._log("metrics", list(new.values()))
        self._points |= new.keys()

    def inputs(self, files: Mapping[str, str], context: str) -> None:
        """Dataset inputs: path → sha256, of which MLflow's digest takes 36 digits."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        tags = [InputTag("mlflow.data.context", context)]
        new = {
            (path, sha[:_MAX_DIGEST]): DatasetInput(
                Dataset(path, sha[:_MAX_DIGEST], "local", f'{{"sha256": "{sha}"}}'), tags
            )
            for path, sha in files.items()
            if (path, sha[:_MAX_DIGEST]) not in self._inputs
        }
        if new:
            self._client.log_inputs(self.id, list(new.values()))
        self._inputs |= new.keys()

    def artifact(self, path: Path, folder: str = "") -> None:
        """The file `path` in the run's artifact folder `folder`."""
        name, content = posixpath.join(folder, path.name), sha256(path)
        if self._artifacts.get(name) != content and not self._has(name, folder, content):
            self._client.log_artifact(self.id, str(path), folder or None)
        self._artifacts[name] = content

    def ended(self, status: str, time: int) -> None:
        """`FINISHED` or `FAILED`, at `time` milliseconds since the epoch."""
        if self._state != (status, time):
            self._client.set_terminated(self.id, status, time)
        self._state = (status, time)

    def running(self) -> None:
        if self._state[0] != "RUNNING":
            self._client.update_run(self.id, status="RUNNING")
        self._state = ("RUNNING", None)

    def _log(self, kind: str, new: list[Any]) -> None:
        for start in range(0, len(new), _BATCH[kind]):
            self._client.log_batch(self.id, **{kind: new[start : start + _BATCH[kind]]})

    def _has(self, name: str, folder: str, content: str) -> bool:
        if all(item.path != name for item in self._client.list_artifacts(self.id, folder or None)):
            return False
        with TemporaryDirectory() as temporary:
            there = self._client.download_artifacts(self.id, name, temporary)
            return sha256(Path(there)) == content


def _name(key: str) -> str:
    # MLflow takes word characters, ".", "-", ":", "/" and spaces, in the form of a plain path.
    key = re.sub(r"[^\w.\-: /]", "_", key)[:_MAX_NAME]
    return posixpath.normpath(key).lstrip("./") or "_"


def _cut(value: str, longest: int) -> str:
    return value if len(value) <= longest else value[: longest - 1] + "…"


def _same(key: str, value: float, step: int) -> tuple[str, str, int]:
    # As a database returns them: NaN equals itself, the infinities are the largest numbers.
    largest = sys.float_info.max
    return key, str(min(max(value, -largest), largest) if value == value else value), step
