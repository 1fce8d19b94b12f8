"""MLflow while stages run: live metrics, servers that are away, and the UI."""

import json
import os
import signal
import socket
import sqlite3
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import pytest
import tracked
from mlflow import MlflowClient
from tracked import CONFIG, everything, run_stage, runs, until

from synthcohort.errors import UserError
from synthcohort.tracking.journal import Journal
from synthcohort.tracking.live import follow
from synthcohort.tracking.publish import publish
from synthcohort.tracking.store import tracking_uri
from synthcohort.tracking.ui import ui

# Fixtures of these tests too.
shared, system = tracked.shared, tracked.system


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


AWAY = "MLflow does not get this stage live"


@pytest.fixture
def said(capfd):
    """Gives all that has been written to stderr until it is called."""
    parts = []

    def so_far() -> str:
        parts.append(capfd.readouterr().err)
        return "".join(parts)

    return so_far


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


def test_a_server_that_is_away_stops_nothing(pipeline, monkeypatch, said):
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))  # bound but not listening: connections are refused
        uri = f"http://user:secret@127.0.0.1:{taken.getsockname()[1]}"
        monkeypatch.setenv("MLFLOW_TRACKING_URI", uri)
        monkeypatch.setenv("MLFLOW_HTTP_REQUEST_MAX_RETRIES", "0")
        path = Path("results") / pipeline / "journal" / "autoencoder.jsonl"
        with follow(path), Journal(path, "autoencoder", {}) as journal:
            journal.metric(100, loss=0.5)
            until(lambda: AWAY in said(), "the message")
        assert said().count(AWAY) == 1
        assert "secret" not in said()
        assert "Traceback" not in said()
        assert json.loads(path.read_text(encoding="utf-8").splitlines()[-1])["status"] == "finished"
        with pytest.raises(UserError, match="publish again") as refused:
            publish([path], experiment=pipeline, run_key="abc", config=CONFIG)
        assert "secret" not in str(refused.value)


def children() -> set[str]:
    """The processes below this one: other tests' may be among them."""
    threads = Path("/proc/self/task").iterdir()
    return {pid for thread in threads for pid in (thread / "children").read_text().split()}


def test_a_server_that_never_answers_stops_nothing(pipeline, monkeypatch):
    before = children()
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{silent.getsockname()[1]}")
        path = Path("results") / pipeline / "journal" / "autoencoder.jsonl"
        with follow(path), Journal(path, "autoencoder", {}) as journal:
            silent.accept()  # the publisher is waiting for its answer
            journal.metric(100, loss=0.5)
    assert children() <= before  # no child process is left behind


def test_a_locked_database_stops_nothing_and_loses_nothing(pipeline, monkeypatch, said):
    first = run_stage(pipeline, "first")
    publish([first], experiment=pipeline, run_key="abc", config=CONFIG)
    path = Path("results") / pipeline / "journal" / "autoencoder.jsonl"
    with sqlite3.connect("results/mlflow.db", isolation_level=None) as other, follow(path):
        other.execute("BEGIN EXCLUSIVE")
        with Journal(path, "autoencoder", {}) as journal:
            journal.metric(100, loss=0.5)
            until(lambda: AWAY in said(), "the message")
            journal.metric(200, loss=0.4)
            other.execute("ROLLBACK")
            until(lambda: _losses(pipeline, "autoencoder"), "the metrics")
            assert _losses(pipeline, "autoencoder") == [(100, 0.5), (200, 0.4)]
            journal.metric(300, loss=0.3)
    publish([first, path], experiment=pipeline, run_key="abc", config=CONFIG)
    assert _losses(pipeline, "autoencoder") == [(100, 0.5), (200, 0.4), (300, 0.3)]
    assert {run.info.status for run in runs(pipeline)[1]} == {"FINISHED"}


def _losses(system: str, stage: str) -> list[tuple[int, float]]:
    """Steps and losses of the only run of a stage."""
    client = MlflowClient(tracking_uri())
    found = [run for run in runs(system)[1] if run.info.run_name == stage]
    assert len(found) <= 1
    history = [p for run in found for p in client.get_metric_history(run.info.run_id, "loss")]
    return sorted((point.step, point.value) for point in history)


def _serve(port: int) -> subprocess.Popen:
    """`mlflow server` on results/mlflow.db, once it answers; in a process group of its own."""
    command = [sys.executable, "-m", "mlflow", "server", "--port", str(port), "--workers", "1"]
    store = ["--backend-store-uri", f"sqlite:///{Path('results/mlflow.db').absolute()}"]
    quiet = {"stdout": subprocess.DEVNULL, "stderr": subprocess.DEVNULL}
    server = subprocess.Popen([*command, *store], start_new_session=True, **quiet)

    def answers():
        assert server.poll() is None
        with (
            suppress(urllib.error.URLError),
            urllib.request.urlopen(f"http://127.0.0.1:{port}/health") as answer,
        ):
            return answer.read() == b"OK"

    try:
        until(answers, "the server")
    except BaseException:
        _kill(server)
        raise
    return server


def _kill(server: subprocess.Popen) -> None:
    os.killpg(server.pid, signal.SIGKILL)
    server.wait()


def test_a_server_killed_and_back_has_everything_once(pipeline, monkeypatch, said):
    first = run_stage(pipeline, "first")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    publish([first], experiment=pipeline, run_key="abc", config=CONFIG)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"http://127.0.0.1:{port}")
    path = Path("results") / pipeline / "journal" / "autoencoder.jsonl"
    server = _serve(port)
    try:
        with follow(path), Journal(path, "autoencoder", {}) as journal:
            journal.metric(100, loss=0.5)
            until(lambda: _losses(pipeline, "autoencoder") == [(100, 0.5)], "the first metric")
            _kill(server)
            journal.metric(200, loss=0.4)
            until(lambda: AWAY in said(), "the message")
            server = _serve(port)
            both = [(100, 0.5), (200, 0.4)]
            until(lambda: _losses(pipeline, "autoencoder") == both, "the second metric")
            journal.metric(300, loss=0.3)
        publish([path], experiment=pipeline, run_key="abc", config=CONFIG)
        assert _losses(pipeline, "autoencoder") == [*both, (300, 0.3)]
        assert {run.info.status for run in runs(pipeline)[1]} == {"FINISHED"}
    finally:
        _kill(server)


def test_without_a_pipeline_run_nothing_is_published(system, monkeypatch):
    monkeypatch.delenv("SYNTHCOHORT_RUN", raising=False)
    path = Path("results") / system / "journal" / "stage.jsonl"
    with follow(path), Journal(path, "stage", {}):
        pass
    with follow(None):
        pass
    client = MlflowClient(tracking_uri())
    assert client.get_experiment_by_name(system) is None


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
