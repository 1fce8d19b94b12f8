"""Publication to MLflow: complete, the same twice, live, and never in a stage's way."""

import json
import os
import socket
import sqlite3
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest
from mlflow import MlflowClient

from synthcohort.errors import UserError
from synthcohort.tracking.journal import Journal
from synthcohort.tracking.live import follow
from synthcohort.tracking.publish import publish
from synthcohort.tracking.store import tracking_uri
from synthcohort.tracking.ui import ui

CONFIG = {"name": "tiny", "autoencoder": {"batch": 8, "channels": [16, 32]}}
SPLIT = "0123456789abcdef" * 4


@pytest.fixture(scope="module")
def shared(tmp_path_factory) -> Path:
    """A working directory with one store for all tests: making it takes MLflow seconds."""
    return tmp_path_factory.mktemp("work place")


@pytest.fixture
def system(shared, monkeypatch, request) -> str:
    """The name of a system with results of its own in the shared working directory."""
    monkeypatch.chdir(shared)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return request.node.name


def run_stage(system: str, stage: str = "autoencoder", end: bool = True) -> Path:
    """A journal of a small training, with a figure and results."""
    folder = Path("results") / system
    path = folder / "journal" / f"{stage}.jsonl"
    inputs = {f"results/{system}/cohort/split.csv": SPLIT}
    journal = Journal(path, stage, CONFIG["autoencoder"], inputs).__enter__()
    for images in range(100, 1100, 100):
        journal.metric(images, loss=100 / images, broken=float("nan"))
    figure = folder / stage / "reconstruction.png"
    figure.parent.mkdir(exist_ok=True)
    figure.write_bytes(b"a picture")
    journal.figure(figure)
    journal.result(psnr=20.5, network="strided", **{"share (A|B)": 0.25})
    if end:
        journal.__exit__(None, None, None)
    return path


def runs(system: str) -> tuple[object, list]:
    """The parent run of a system and its children."""
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name(system)
    found = client.search_runs([experiment.experiment_id], order_by=["attributes.start_time"])
    (parent,) = [run for run in found if "mlflow.parentRunId" not in run.data.tags]
    children = [run for run in found if run is not parent]
    assert all(c.data.tags["mlflow.parentRunId"] == parent.info.run_id for c in children)
    return parent, children


def everything() -> tuple[list[str], dict[str, bytes]]:
    """All rows of the store and all artifacts."""
    with sqlite3.connect("results/mlflow.db") as connection:
        rows = list(connection.iterdump())
    files = {str(p): p.read_bytes() for p in Path("results/mlruns").rglob("*") if p.is_file()}
    return rows, files


def test_publishes_all_of_a_pipeline_run(system, shared):
    card = Path("README.md")
    card.write_text("the card", encoding="utf-8")
    journals = [run_stage(system, "autoencoder"), run_stage(system, "diffusion")]
    run_id = publish(journals, experiment=system, run_key="abc", config=CONFIG, artifacts=[card])
    client = MlflowClient(tracking_uri())
    parent, children = runs(system)
    assert parent.info.run_id == run_id
    assert parent.info.status == "FINISHED"
    assert parent.data.params["autoencoder.channels"] == "[16, 32]"
    assert parent.data.metrics["autoencoder/psnr"] == 20.5
    assert [a.path for a in client.list_artifacts(run_id)] == ["README.md"]
    assert [i.dataset.name for i in parent.inputs.dataset_inputs] == ["cohort/split.csv"]

    assert [child.info.run_name for child in children] == ["autoencoder", "diffusion"]
    child = children[0]
    assert child.data.params == {"batch": "8", "channels": "[16, 32]"}
    assert child.data.metrics["share _A_B_"] == 0.25
    assert child.data.tags["network"] == "strided"
    assert child.data.tags["synthcohort.error"] == "none"
    assert child.data.tags["environment.python"] == sys.version.split()[0]
    history = client.get_metric_history(child.info.run_id, "loss")
    assert sorted((m.step, m.value) for m in history) == [
        (images, 100 / images) for images in range(100, 1100, 100)
    ]
    (dataset,) = [i.dataset for i in child.inputs.dataset_inputs]
    assert (dataset.name, dataset.digest) == ("cohort/split.csv", SPLIT[:36])
    assert json.loads(dataset.source)["sha256"] == SPLIT
    figure = client.download_artifacts(child.info.run_id, "autoencoder/reconstruction.png")
    assert Path(figure).read_bytes() == b"a picture"
    environment = client.download_artifacts(child.info.run_id, "environment.json")
    assert json.loads(Path(environment).read_text(encoding="utf-8"))["packages"]["mlflow"]

    events = [json.loads(line) for line in journals[0].read_text(encoding="utf-8").splitlines()]
    assert child.info.start_time == round(events[0]["time"] * 1000)
    assert child.info.end_time == round(events[-1]["time"] * 1000)


def test_a_second_publication_changes_nothing(system):
    journals = [run_stage(system, "autoencoder"), run_stage(system, "diffusion", end=False)]
    arguments = {"experiment": system, "run_key": "abc", "config": CONFIG, "artifacts": journals}
    first_id = publish(journals, **arguments)
    first = everything()
    assert publish(journals, **arguments) == first_id
    assert everything() == first


def test_a_changed_figure_and_new_metrics_are_sent(system):
    path = run_stage(system, end=False)
    publish([path], experiment=system, run_key="abc", config=CONFIG)
    Path("results", system, "autoencoder", "reconstruction.png").write_bytes(b"another")
    with Journal(
        path,
        "autoencoder",
        CONFIG["autoencoder"],
        {f"results/{system}/cohort/split.csv": SPLIT},
    ) as journal:
        journal.metric(1100, loss=0.01)
    publish([path], experiment=system, run_key="abc", config=CONFIG)
    _, (child,) = runs(system)
    client = MlflowClient(tracking_uri())
    assert child.info.status == "FINISHED"
    assert child.data.metrics["loss"] == 0.01
    assert len(client.get_metric_history(child.info.run_id, "loss")) == 11
    figure = client.download_artifacts(child.info.run_id, "autoencoder/reconstruction.png")
    assert Path(figure).read_bytes() == b"another"


def test_many_metrics_and_long_settings_fit(system):
    path = Path("results") / system / "journal" / "diffusion.jsonl"
    with Journal(path, "diffusion", {"long": "ä" * 10_000, "empty": ""}) as journal:
        for images in range(2500):
            journal.metric(images, loss=float(images))
        journal.result(note="n" * 10_000)
    publish([path], experiment=system, run_key="abc", config={})
    _, (child,) = runs(system)
    history = MlflowClient(tracking_uri()).get_metric_history(child.info.run_id, "loss")
    assert len(history) == 2500
    assert len(child.data.params["long"]) == 6000
    assert child.data.params["long"].endswith("ä…")
    assert child.data.params["empty"] == ""
    assert len(child.data.tags["note"]) == 8000


def test_other_settings_are_another_pipeline_run(system):
    path = run_stage(system)
    ids = {publish([path], experiment=system, run_key=key, config=CONFIG) for key in ("abc", "def")}
    assert len(ids) == 2


@pytest.mark.parametrize("error", [None, ValueError("the loss is nan")])
def test_a_killed_and_a_failed_stage_are_shown_as_failed(system, error):
    path = run_stage(system, end=False)
    if error is not None:
        line = {"time": time.time(), "event": "end", "status": "failed", "error": str(error)}
        with path.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")
    with path.open("a", encoding="utf-8") as file:
        file.write('{"time": 1, "eve')
    publish([path], experiment=system, run_key="abc", config=CONFIG)
    parent, (child,) = runs(system)
    assert (parent.info.status, child.info.status) == ("FAILED", "FAILED")
    assert child.data.metrics["loss"] == 0.1
    told = "was killed" if error is None else "the loss is nan"
    assert told in child.data.tags["synthcohort.error"]


def test_a_missing_figure_is_told(system, capsys):
    path = run_stage(system)
    figure = Path("results", system, "autoencoder", "reconstruction.png")
    figure.unlink()
    publish([path], experiment=system, run_key="abc", config=CONFIG)
    assert f"the figure {figure} is no longer there" in capsys.readouterr().err


PUBLISH = """
import sys
from pathlib import Path
from synthcohort.tracking.publish import publish
publish([Path(sys.argv[1])], experiment="together", run_key="abc", config={"a": 1})
"""


def test_two_processes_fill_a_new_store_at_once(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    journals = [run_stage("together", "autoencoder"), run_stage("together", "diffusion")]
    processes = [subprocess.Popen([sys.executable, "-c", PUBLISH, str(j)]) for j in journals]
    assert [process.wait() for process in processes] == [0, 0]
    _, children = runs("together")
    assert {child.info.run_name for child in children} == {"autoencoder", "diffusion"}


def until(done, what: str):
    """Wait for `done()`, for as long as a slow machine may need."""
    for _ in range(600):
        if result := done():
            return result
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within a minute")


@pytest.fixture
def pipeline(system, monkeypatch) -> str:
    """`system`, with a pipeline run named in the environment as the workflow does."""
    monkeypatch.setenv("SYNTHCOHORT_EXPERIMENT", system)
    monkeypatch.setenv("SYNTHCOHORT_RUN", "abc")
    return system


def test_metrics_are_there_while_the_stage_runs(pipeline):
    path = run_stage(pipeline)
    older = path.read_text(encoding="utf-8").replace(f'"pid": {os.getpid()}', '"pid": 1')
    path.write_text(older, encoding="utf-8")
    client = MlflowClient(tracking_uri())

    def seen():
        experiment = client.get_experiment_by_name(pipeline)
        return experiment and client.search_runs([experiment.experiment_id])

    with follow(path):
        until(lambda: client.get_experiment_by_name(pipeline), "the experiment")
        assert not seen()  # an older journal is not that of the running stage
        with Journal(path, "autoencoder", {"batch": 8}) as journal:
            journal.metric(100, loss=0.5)
            until(lambda: any(run.data.metrics for run in seen()), "the metric")
            _, (live,) = runs(pipeline)
            assert live.data.metrics == {"loss": 0.5}
            assert live.info.status == "RUNNING"
            journal.metric(200, loss=0.4)
    publish([path], experiment=pipeline, run_key="abc", config=CONFIG)
    parent, (child,) = runs(pipeline)
    assert child.info.run_id == live.info.run_id
    assert (parent.info.status, child.info.status) == ("FINISHED", "FINISHED")
    history = client.get_metric_history(child.info.run_id, "loss")
    assert sorted((m.step, m.value) for m in history) == [(100, 0.5), (200, 0.4)]


STAGE = """
import os, signal, sys, time
from pathlib import Path
from synthcohort.tracking.journal import Journal
from synthcohort.tracking.live import follow
path = Path(sys.argv[1])
with follow(path), Journal(path, "autoencoder", {}) as journal:
    journal.metric(100, loss=0.5)
    sys.stdin.readline()
    os.kill(os.getpid(), signal.SIGKILL)
"""


def test_a_killed_stage_is_seen_at_once(pipeline):
    path = Path("results") / pipeline / "journal" / "autoencoder.jsonl"
    client = MlflowClient(tracking_uri())

    def statuses():
        experiment = client.get_experiment_by_name(pipeline)
        found = client.search_runs([experiment.experiment_id]) if experiment else []
        return {run.info.status for run in found if run.data.metrics or found[1:]}

    command = [sys.executable, "-c", STAGE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE) as stage:
        until(lambda: statuses() == {"RUNNING"}, "the running stage")
        stage.stdin.write(b"\n")
        stage.stdin.flush()
        until(lambda: statuses() == {"FAILED"}, "the failed stage")


def test_a_server_that_is_away_stops_nothing(pipeline, monkeypatch, capfd):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        uri = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        path = Path("results") / pipeline / "journal" / "autoencoder.jsonl"
        told = ""

        def heard():
            nonlocal told
            told += capfd.readouterr().err
            return "MLflow does not get this stage live" in told

        with follow(path), Journal(path, "autoencoder", {}) as journal:
            journal.metric(100, loss=0.5)
            until(heard, "the message")
        told += capfd.readouterr().err
        assert told.count("MLflow does not get this stage live") == 1
        assert "secret" not in told
        assert "Traceback" not in told
        assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["status"] == "finished"
        with pytest.raises(UserError, match="publish again") as refused:
            publish([path], experiment=pipeline, run_key="abc", config=CONFIG)
        assert "secret" not in str(refused.value)


def test_a_server_that_never_answers_stops_nothing(pipeline, monkeypatch):
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        path = Path("results") / pipeline / "journal" / "autoencoder.jsonl"
        with follow(path), Journal(path, "autoencoder", {}) as journal:
            silent.accept()  # the publisher is waiting for its answer
            journal.metric(100, loss=0.5)
    with pytest.raises(ChildProcessError):  # no child process is left behind
        os.waitpid(-1, os.WNOHANG)


def test_without_a_pipeline_run_nothing_is_published(system, monkeypatch):
    monkeypatch.delenv("SYNTHCOHORT_RUN", raising=False)
    path = Path("results") / system / "journal" / "stage.jsonl"
    with follow(path), Journal(path, "stage", {}):
        pass
    with follow(None):
        pass
    client = MlflowClient(tracking_uri())
    assert client.get_experiment_by_name(system) is None


def test_the_closed_file_store_is_refused(system, monkeypatch, tmp_path):
    path = run_stage(system)
    with pytest.raises(UserError, match="database backend"):
        publish([path], experiment=system, run_key="abc", config={}, uri=str(tmp_path / "files"))


def test_a_deleted_experiment_is_named(system):
    path = run_stage(system)
    publish([path], experiment=system, run_key="abc", config=CONFIG)
    client = MlflowClient(tracking_uri())
    client.delete_experiment(client.get_experiment_by_name(system).experiment_id)
    with pytest.raises(UserError, match=f"the experiment '{system}' was deleted"):
        publish([path], experiment=system, run_key="abc", config=CONFIG)


def test_the_ui_wants_something_to_show(tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    with pytest.raises(UserError, match="nothing has run yet"):
        ui()
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "https://tracking.example.org")
    ui()
    assert "open https://tracking.example.org" in capsys.readouterr().out


UI = "import sys; from synthcohort.tracking.ui import ui; ui(int(sys.argv[1]))"


def test_the_ui_serves_what_was_published_and_is_a_server_itself(system):
    path = run_stage(system)
    publish([path], experiment=system, run_key="abc", config=CONFIG)
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
        with pytest.raises(UserError, match=f"port {port} cannot be used"):
            ui(port)
    server = subprocess.Popen([sys.executable, "-c", UI, str(port)], stdout=subprocess.PIPE)

    def page(address: str) -> bytes:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}{address}") as answer:
                return answer.read()
        except urllib.error.URLError:
            return b""

    try:
        until(lambda: page("/health") == b"OK", "the server")
        assert b"<title>MLflow</title>" in page("/")
        by_name = page(f"/api/2.0/mlflow/experiments/get-by-name?experiment_name={system}")
        number = json.loads(by_name)["experiment"]["experiment_id"]
        _, (child,) = runs(system)
        figure = page(
            f"/get-artifact?run_uuid={child.info.run_id}&path=autoencoder/reconstruction.png"
        )
        assert figure == b"a picture"

        arguments = {"experiment": f"{system}-by-server", "run_key": "abc", "config": {"empty": ""}}
        arguments["uri"] = f"http://127.0.0.1:{port}"
        run_id = publish([path], artifacts=[path], **arguments)
        before = everything()
        assert publish([path], artifacts=[path], **arguments) == run_id
        assert everything() == before
        client = MlflowClient(arguments["uri"])
        assert client.get_run(run_id).data.metrics["autoencoder/psnr"] == 20.5
        assert [a.path for a in client.list_artifacts(run_id)] == [path.name]
    finally:
        server.terminate()
        told = server.communicate()[0].decode()
    assert f"  {system}: http://127.0.0.1:{port}/#/experiments/{number}/runs?" in told
