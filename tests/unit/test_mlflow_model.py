"""A run's model in MLflow: logged, registered where its audit passed, asked over HTTP."""

import json
import re
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import generators
import mlflow
import numpy as np
import pandas as pd
import pytest
from generators import SEED, make_run, sampled, write
from mlflow import MlflowClient
from tiny import REPOSITORY
from tracked import everything, runs, until

import synthcohort
from synthcohort.errors import UserError
from synthcohort.generator.publication import publish_run
from synthcohort.tracking.journal import Journal
from synthcohort.tracking.store import download_model, tracking_uri

NAME = "tiny"
ADDRESS = f"models:/{NAME}@audited"
STAGES = {"diffusion": "train the diffusion model", "sample": "draw a part of the shards"}


@pytest.fixture(scope="module")
def work(tmp_path_factory):
    """A working directory with a run that passed its audit, published; and its shard."""
    folder = tmp_path_factory.mktemp("work place")
    of = generators.system()
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        patch.delenv("MLFLOW_TRACKING_URI", raising=False)
        drawn = sampled(finish(of), of)
        publish_run(of, journals(), stages=STAGES)
    return folder, drawn


def finish(of, **audit) -> Path:
    """A run of that configuration in results/<name>, with its model."""
    folder = make_run(Path("results") / of.name, of, **audit)
    write(folder, of)
    fid = {"metric": "fid", "value": 90.0, "interval": [80, 95], "n": {"test": 8}}
    (folder / "evaluation").mkdir()
    fid |= {"floor": {"value": 15.0, "interval": [14, 16]}}
    (folder / "evaluation/fid.json").write_text(json.dumps(fid))
    for stage in ("diffusion", "sample-00000"):
        with Journal(folder / f"journal/{stage}.jsonl", stage, {}) as journal:
            journal.hardware(device="cpu")
    return folder


def journals(name: str = NAME) -> list[Path]:
    return sorted(Path("results", name, "journal").glob("*.jsonl"))


@pytest.fixture
def here(work, monkeypatch):
    monkeypatch.chdir(work[0])
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    return work[1]


def logged(name: str):
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name(name)
    (model,) = client.search_logged_models([experiment.experiment_id])
    return model


def test_a_model_that_passed_is_registered_and_draws_what_the_run_drew(here, monkeypatch):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", tracking_uri())
    model = mlflow.pyfunc.load_model(ADDRESS)
    asked = pd.DataFrame({"label": ["B", "A", "B"], "seed": SEED, "index": [0, 2, 1]})
    images = model.predict(asked)
    places = [
        np.flatnonzero((here["labels"] == label) & (here["index"] == index))[0]
        for label, index in ((1, 0), (0, 2), (1, 1))
    ]
    assert images.dtype == np.uint8 and np.array_equal(images, here["images"][places])
    guided = model.predict(asked, params={"guidance": 3.0})
    assert not np.array_equal(guided, images)
    assert np.array_equal(guided[:1], synthcohort.generate(ADDRESS, "B", 1, SEED, guidance=3))

    about = model.metadata
    assert [column.name for column in about.signature.inputs] == ["label", "seed", "index"]
    assert about.metadata["audit"] == "passed" and about.saved_input_example_info
    found = logged(NAME)
    assert found.tags["audit"] == "passed" and found.tags["gate.copies"].startswith("passed: 0")
    assert {(one.key, one.value) for one in found.metrics} >= {("fid", 90.0), ("fid_floor", 15.0)}
    (output,) = runs(NAME)[0].outputs.model_outputs
    assert (output.model_id, output.step) == (found.model_id, 2048)


@pytest.mark.parametrize("address", [ADDRESS, f"models:/{NAME}/1"])
def test_it_holds_no_pickle_and_the_pins_of_the_lock(here, tmp_path, address):
    download_model(address, tmp_path)
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert not [path for path in files if path.suffix in (".pkl", ".pt", ".bin")]
    (folder,) = [path.parent for path in files if path.name == "MLmodel"]
    assert (folder / "artifacts/model/model.json").is_file()
    for path in files:
        if path.suffix != ".safetensors" and path.name != "MLmodel":  # where in the store it lies
            assert "://" not in path.read_text(), path
    lock = (REPOSITORY / "envs/requirements.lock").read_text()
    locked = set(re.findall(r"^([\w.-]+)==([^\s;\\]+)", lock, re.MULTILINE))
    pins = dict(line.split("==") for line in (folder / "requirements.txt").read_text().split())
    assert {"torch", "diffusers", "mlflow", "numpy", "safetensors"} < pins.keys()
    assert "synthcohort" not in pins
    assert pins.items() <= locked  # which has several versions of some, for other Pythons


def test_the_run_says_first_what_decides(here):
    parent, children = runs(NAME)
    assert parent.data.metrics["fid_over_floor"] == 6
    assert parent.data.metrics["minutes"] >= 0
    tags = parent.data.tags
    assert (tags["system"], tags["device"], tags["audit"]) == (NAME, "cpu", "passed")
    assert tags["mlflow.note.content"].startswith("**Audit: Passed")
    notes = {child.info.run_name: child.data.tags["mlflow.note.content"] for child in children}
    assert notes == {"diffusion": STAGES["diffusion"], "sample-00000": STAGES["sample"]}
    client = MlflowClient(tracking_uri())
    assert NAME in client.get_experiment_by_name(NAME).tags["mlflow.note.content"]
    (dataset,) = [one.dataset for one in parent.inputs.dataset_inputs]
    assert dataset.name == "tiny: real images" and json.loads(dataset.source)["terms"]


def test_a_second_publication_changes_nothing_and_leaves_the_alias_where_it_is(here):
    first = everything()
    publish_run(generators.system(), journals(), stages=STAGES)
    assert everything() == first


@pytest.mark.parametrize("outcome", ["failed", "undecided"])
def test_a_model_that_did_not_pass_is_not_registered(here, outcome, capsys):
    of = generators.system().model_copy(update={"name": outcome})
    finish(of, copies=3, outcome=outcome)
    publish_run(of, journals(outcome), stages=STAGES)
    model = logged(outcome)
    assert model.name == f"{outcome}-AUDIT-{outcome.upper()}"
    assert model.tags["audit"] == outcome
    assert model.tags["mlflow.note.content"].startswith("**WARNING: the privacy audit")
    registered = MlflowClient(tracking_uri()).search_registered_models()
    assert [one.name for one in registered] == [NAME]
    with pytest.raises(UserError, match="where its audit has passed"):
        synthcohort.generate(f"models:/{outcome}@audited", "A")
    synthcohort.generate(f"models:/{model.model_id}", "A")
    assert "WARNING" in capsys.readouterr().err


def test_a_model_of_another_configuration_is_not_logged(here):
    of = generators.system().model_copy(update={"name": "changed"})
    finish(of)
    other = of.model_copy(update={"seed": SEED + 1})
    publish_run(other, journals("changed"), stages=STAGES)
    client = MlflowClient(tracking_uri())
    experiment = client.get_experiment_by_name("changed")
    assert not client.search_logged_models([experiment.experiment_id])


def test_it_answers_over_http(here, tmp_path):
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    command = [sys.executable, "-m", "mlflow", "models", "serve", "-m", ADDRESS]
    command += ["--env-manager", "local", "--port", str(port), "--workers", "1"]
    environment = generators.environment(tracking_uri())
    log = tmp_path / "server.txt"
    with log.open("w") as out:
        server = subprocess.Popen(command, env=environment, stdout=out, stderr=out)
    try:
        for _ in range(5):  # loading takes seconds; on a busy machine, minutes
            with suppress(AssertionError):
                until(lambda: server.poll() is not None or answered(port, "ping", None), "")
                break
        assert server.poll() is None, log.read_text()
        rows = {"dataframe_records": [{"label": "B", "seed": SEED, "index": 1}]}
        images = np.array(answered(port, "invocations", rows)["predictions"], np.uint8)
        mine = (here["labels"] == 1) & (here["index"] == 1)
        assert np.array_equal(images, here["images"][mine])
        rows["dataframe_records"][0]["label"] = "C"
        with pytest.raises(urllib.error.HTTPError) as told:
            answered(port, "invocations", rows)
        assert told.value.code == 400 and "there are 'A', 'B'" in told.value.read().decode()
    finally:
        server.terminate()
        server.wait()


def answered(port: int, path: str, body: dict | None) -> object:
    """What the server answers; None where it does not yet."""
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(f"http://127.0.0.1:{port}/{path}", data)
    request.add_header("Content-Type", "application/json")
    try:
        with urllib.request.urlopen(request) as response:
            text = response.read()
            return json.loads(text) if text.strip() else True
    except urllib.error.HTTPError:
        raise
    except OSError:
        return None
