"""A store with small journals to publish, and what is read back from it."""

import sqlite3
import time
from pathlib import Path

import pytest
from mlflow import MlflowClient

from synthcohort.tracking.journal import Journal
from synthcohort.tracking.store import tracking_uri

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


def until(done, what: str):
    """Wait for `done()`, for as long as a slow machine may need."""
    for _ in range(600):
        if result := done():
            return result
        time.sleep(0.1)
    raise AssertionError(f"{what}: not within a minute")
