"""Publication of journals to MLflow: a run for the pipeline, with a child for every stage."""

import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath
from tempfile import TemporaryDirectory
from typing import TYPE_CHECKING, Any

from synthcohort.files import write_json
from synthcohort.tracking.attempts import Attempt, attempts, below, flatten
from synthcohort.tracking.mlflow_run import Run, note
from synthcohort.tracking.store import describe_experiment, experiment_id, opened, tracking_uri

if TYPE_CHECKING:
    from mlflow import MlflowClient

_RUN, _ATTEMPT = "synthcohort.run", "synthcohort.attempt"
_PARENT = "pipeline"
_STATUS = {"finished": "FINISHED", "failed": "FAILED", "open": "FAILED"}


@dataclass(frozen=True)
class Told:
    """What people are told of a pipeline run beside what its journals hold; texts are Markdown."""

    experiment: str = ""
    run: str = ""
    stages: Mapping[str, str] = field(default_factory=dict)
    """By the name of the stage, without what tells two of its runs apart."""
    columns: Mapping[str, float] = field(default_factory=dict)
    """Metrics of the pipeline run, under names without a stage."""
    tags: Mapping[str, str] = field(default_factory=dict)
    view: Sequence[str] = ()
    """The columns of the table of runs, such as "tags.`audit`"."""
    datasets: Sequence[tuple[str, str, Mapping[str, Any], Mapping[str, Any]]] = ()
    """Name, sha256, where it comes from, and how much there is (num_rows)."""
    model: "Callable[[MlflowClient, str, Run], None] | None" = None
    """Logs the run's model, given a client, the experiment's id and the pipeline run."""


def publish(
    journals: Sequence[Path],
    *,
    experiment: str,
    run_key: str,
    config: Mapping[str, Any],
    artifacts: Iterable[Path] = (),
    told: Told = Told(),
    uri: str | None = None,
) -> str:
    """Bring the pipeline run `run_key` in MLflow up to the journals; return its MLflow run id.

    A second publication changes nothing. An attempt whose journal has no end is shown as failed,
    so this is for when no stage is running; while one is, `synthcohort.tracking.live` publishes.

    Args:
        journals: results/<name>/journal/<stage>.jsonl of all stages, in the order they are shown.
        experiment: the MLflow experiment, one for each system.
        run_key: names the pipeline run within the experiment, such as a digest of `config`.
        config: the whole configuration, shown as the parameters of the pipeline run.
        artifacts: files attached to the pipeline run, such as the dataset card.
        told: what else there is to say.
        uri: the MLflow store; otherwise MLFLOW_TRACKING_URI, otherwise results/mlflow.db.

    Raises:
        UserError: a journal is missing or damaged, or the store cannot be reached.
    """
    tried = [attempts(Path(journal)) for journal in journals]
    with opened(uri or tracking_uri(), Path(journals[0]).parent) as client:
        pipeline = Pipeline(client, experiment, run_key)
        for attempt in (attempt for of_stage in tried for attempt in of_stage):
            pipeline.child(attempt, over=True, told=_of_stage(told.stages, attempt.stage))
        latest = [of_stage[-1] for of_stage in tried if of_stage]
        return pipeline.parent(latest, config, artifacts, told)


class Pipeline:
    """A pipeline run in MLflow: the parent, and a child for each attempt at a stage."""

    def __init__(self, client: "MlflowClient", experiment: str, run_key: str) -> None:
        self._client, self._key = client, run_key
        self._name = f"{experiment} {run_key[:8]}"
        self._experiment = experiment_id(client, experiment)
        there = client.search_runs([self._experiment], f"tags.`{_RUN}` = '{run_key}'")
        self._ids = {run.data.tags[_ATTEMPT]: run.info.run_id for run in there}
        self._runs: dict[str, Run] = {}

    def child(self, attempt: Attempt, over: bool, told: str = "") -> None:
        """Bring the child run of `attempt` up to date; `over` when nothing more can come; `told`
        describes it."""
        parent = self._run(_PARENT, self._name, attempt.began)
        under = {"mlflow.parentRunId": parent.id}
        run = self._run(attempt.id, attempt.name, attempt.began, under)
        run.params(flatten(attempt.start["settings"]))
        run.tags(attempt.texts | _environment(attempt) | _tags(attempt, over, told))
        run.metrics(attempt.metrics + attempt.results)
        run.inputs(attempt.inputs, attempt.stage)
        for figure in attempt.figures:
            _attach_figure(run, attempt, figure, over)
        if over:
            _attach_environment(run, attempt)
            run.ended(_STATUS[attempt.status], attempt.last_heard)
        else:
            run.running()

    def parent(
        self,
        latest: Sequence[Attempt],
        config: Mapping[str, Any],
        artifacts: Iterable[Path],
        told: Told,
    ) -> str:
        """Bring the parent up to date with the latest attempt at each stage; return its run id."""
        run = self._run(_PARENT, self._name, min(attempt.began for attempt in latest))
        run.params(flatten(config))
        ended = max(attempt.last_heard for attempt in latest)
        # MLflow shows first what it gets first.
        run.tags(told.tags | (note(told.run) if told.run else {}) | _environment(latest[-1]))
        run.metrics((name, value, ended, 0) for name, value in told.columns.items())
        for name, sha, source, profile in told.datasets:
            run.dataset(name, sha, source, profile, "real images")
        for attempt in latest:
            run.metrics((f"{attempt.name}/{name}", *rest) for name, *rest in attempt.results)
            run.inputs(
                {path: sha for path, sha in attempt.inputs.items() if path.startswith("cohort/")},
                "cohort",
            )
        for path in artifacts:
            run.artifact(Path(path))
        if told.model:
            told.model(self._client, self._experiment, run)
        if told.experiment:
            describe_experiment(self._client, self._experiment, told.experiment, told.view)
        finished = all(attempt.status == "finished" for attempt in latest)
        run.ended("FINISHED" if finished else "FAILED", ended)
        return run.id

    def parent_goes_on(self, attempt: Attempt, over: bool) -> None:
        """Show the parent as running, or as failed where the stage that is running has failed."""
        run = self._run(_PARENT, self._name, attempt.began)
        if over and attempt.status != "finished":
            run.ended("FAILED", attempt.last_heard)
        else:
            run.running()

    def _run(self, which: str, name: str, began: int, tags: Mapping[str, str] | None = None) -> Run:
        if which not in self._ids:
            tags = {_RUN: self._key, _ATTEMPT: which} | dict(tags or {})
            made = self._client.create_run(self._experiment, began, tags, name)
            self._ids[which] = made.info.run_id
        if which not in self._runs:
            self._runs[which] = Run(self._client, self._ids[which])
        return self._runs[which]


def _of_stage(texts: Mapping[str, str], stage: str) -> str:
    """The text of the stage that a journal is of: "sample-00000" is of "sample"."""
    names = [name for name in texts if stage == name or stage.startswith(f"{name}-")]
    return texts[max(names, key=len)] if names else ""


def _tags(attempt: Attempt, over: bool, told: str) -> dict[str, str]:
    killed = over and attempt.status == "open"
    error = "the journal has no end: the stage was killed" if killed else attempt.error
    return {
        "mlflow.source.name": f"synthcohort {attempt.stage}",
        "synthcohort.stage": attempt.stage,
        "synthcohort.error": error or "none",
        **(note(told) if told else {}),
    }


def _environment(attempt: Attempt) -> dict[str, str]:
    environment = dict(attempt.start["environment"])
    environment.pop("packages")
    environment |= attempt.hardware
    tags = {f"environment.{key}": value for key, value in environment.items() if value}
    # MLflow shows the revision only beside the name of a source.
    tags |= {"mlflow.source.name": "synthcohort", "mlflow.source.type": "LOCAL"}
    if environment["git"]:
        tags["mlflow.source.git.commit"] = environment["git"].removesuffix("-dirty")
    return tags


def _attach_environment(run: Run, attempt: Attempt) -> None:
    with TemporaryDirectory() as temporary:
        path = Path(temporary) / "environment.json"
        write_json(path, attempt.start["environment"])
        run.artifact(path)


def _attach_figure(run: Run, attempt: Attempt, figure: Path, over: bool) -> None:
    if figure.is_file():
        folder = PurePosixPath(below(attempt.folder, figure)).parent
        run.artifact(figure, "" if folder.is_absolute() else str(folder))
    elif over:
        print(f"{attempt.journal}: the figure {figure} is no longer there", file=sys.stderr)
