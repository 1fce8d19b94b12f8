"""A run in MLflow, brought up to date by sending what is missing."""

import json
import posixpath
import re
import sys
from collections.abc import Iterable, Mapping
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from synthcohort.files import sha256
from synthcohort.tracking.attempts import Point

if TYPE_CHECKING:
    from mlflow import MlflowClient

_MAX_PARAM, _MAX_TAG, _MAX_NAME, _MAX_DIGEST = 6000, 8000, 250, 36
_BATCH = {"metrics": 1000, "params": 100, "tags": 100}


def note(markdown: str) -> dict[str, str]:
    """The tag that MLflow shows as the description of a run, an experiment or a model."""
    return {"mlflow.note.content": cut(markdown)}


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
        made = run.outputs.model_outputs if run.outputs else ()
        self._outputs = {output.model_id for output in made}
        self._artifacts: dict[str, str] = {}

    def params(self, values: Mapping[str, str]) -> None:
        """Parameters; one that is there keeps its value, as MLflow demands."""
        from mlflow.entities import Param

        values = {_name(key): cut(value, _MAX_PARAM) for key, value in values.items()}
        new = {key: value for key, value in values.items() if key not in self._params}
        self._log("params", [Param(key, value) for key, value in new.items()])
        self._params |= new

    def tags(self, values: Mapping[str, str]) -> None:
        from mlflow.entities import RunTag

        values = {_name(key): cut(value) for key, value in values.items()}
        new = {key: value for key, value in values.items() if self._tags.get(key) != value}
        self._log("tags", [RunTag(key, value) for key, value in new.items()])
        self._tags |= new

    def metrics(self, points: Iterable[Point], model: str | None = None) -> None:
        """Measured values; those of a logged `model` are the run's as well."""
        from mlflow.entities import Metric

        there = self._points
        if model is not None:
            known = self._client.get_logged_model(model).metrics or ()
            there = {_same(one.key, one.value, one.step) for one in known}
        new = {}
        for key, value, time, step in points:
            point = Metric(_name(key), value, time, step, model)
            identity = _same(point.key, value, step)
            if identity not in there:
                new[identity] = point
        self._log("metrics", list(new.values()))
        self._points |= new.keys()

    def inputs(self, files: Mapping[str, str], context: str) -> None:
        """Dataset inputs: path → sha256."""
        for path, sha in files.items():
            self.dataset(path, sha, {}, {}, context)

    def dataset(
        self,
        name: str,
        sha: str,
        source: Mapping[str, Any],
        profile: Mapping[str, Any],
        context: str,
    ) -> None:
        """A dataset input by its sha256, of which MLflow's digest takes 36 digits; `source` says
        where it comes from, `profile` how much there is."""
        from mlflow.entities import Dataset, DatasetInput, InputTag

        key = name, sha[:_MAX_DIGEST]
        if key in self._inputs:
            return
        told = json.dumps({"sha256": sha, **source}, ensure_ascii=False)
        much = json.dumps(profile) if profile else None
        tags = [InputTag("mlflow.data.context", context)]
        one = DatasetInput(Dataset(*key, "local", told, profile=much), tags)
        self._client.log_inputs(self.id, [one])
        self._inputs.add(key)

    def output(self, model: str, step: int) -> None:
        """A logged model that the run has made, at `step`."""
        from mlflow.entities import LoggedModelOutput

        if model not in self._outputs:
            self._client.log_outputs(self.id, [LoggedModelOutput(model, step)])
        self._outputs.add(model)

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


def cut(value: str, longest: int = _MAX_TAG) -> str:
    """A text as long as MLflow takes it, as a tag unless said otherwise."""
    return value if len(value) <= longest else value[: longest - 1] + "…"


def _same(key: str, value: float, step: int) -> tuple[str, str, int]:
    # As a database returns them: NaN equals itself, the infinities are the largest numbers.
    largest = sys.float_info.max
    return key, str(min(max(value, -largest), largest) if value == value else value), step
