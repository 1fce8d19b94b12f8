"""Publication to MLflow: complete, and the same twice."""

import json
import subprocess
import sys
import time
from pathlib import Path

import pytest
import tracked
from mlflow import MlflowClient
from tracked import CONFIG, SPLIT, everything, run_stage, runs

from synthcohort.errors import UserError
from synthcohort.tracking.journal import Journal
from synthcohort.tracking.publish import publish
from synthcohort.tracking.store import tracking_uri

# Fixtures of these tests too.
shared, system = tracked.shared, tracked.system


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


def test_a_run_tells_what_it_ran_on(system, monkeypatch):
    monkeypatch.setenv("SLURM_JOB_ID", "4711")
    path = Path("results") / system / "journal" / "autoencoder.jsonl"
    with Journal(path, "autoencoder", {}) as journal:
        journal.hardware(gpu="NVIDIA H100", processes="2")
        journal.metric(100, gpu_power_watts=350)
    publish([path], experiment=system, run_key="abc", config=CONFIG)
    parent, (child,) = runs(system)
    for tags in (parent.data.tags, child.data.tags):
        assert tags["environment.slurm_job"] == "4711"
        assert tags["environment.gpu"] == "NVIDIA H100"
        assert tags["environment.node"] and tags["mlflow.source.git.commit"]
    assert child.data.metrics == {"gpu_power_watts": 350}


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
