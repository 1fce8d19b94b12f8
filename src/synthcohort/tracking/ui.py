"""The MLflow UI on what has run."""

import os
import socket
import sqlite3
import sys
from contextlib import closing
from pathlib import Path

from synthcohort.errors import UserError
from synthcohort.tracking.store import (
    OPENED_BY,
    VIEW,
    artifact_root,
    database,
    masked,
    tracking_uri,
)

# MLflow opens on its pages for language models, which hide the runs of a training.
_TRAINING = "workflowType=machine_learning"


def ui(port: int = 5000) -> None:
    """Serve the MLflow UI on this machine until Ctrl-C; where MLFLOW_TRACKING_URI names a server,
    say its address instead.

    Raises:
        UserError: nothing has run yet, or the port is taken.
    """
    uri = tracking_uri()
    if uri.startswith(("http://", "https://")):
        print(f"MLFLOW_TRACKING_URI names a server, which has its own UI: open {masked(uri)}")
        return
    command = [sys.executable, "-m", "mlflow", "server", "--backend-store-uri", uri]
    file = database(uri)
    if file is not None:
        if not file.exists():
            raise UserError(
                f"{file}: nothing has run yet, so there is nothing to show. Run the workflow first "
                "(make demo, or snakemake --configfile config/<system>.yaml), from this folder."
            )
        command += ["--default-artifact-root", str(artifact_root(file))]
    _check_free(port)
    print("MLflow UI, in a few seconds (Ctrl-C ends it):", flush=True)
    for what, page in _pages(file).items():
        print(f"  {what}: http://127.0.0.1:{port}/#/{page}", flush=True)
    # One worker and no job runner are enough for one reader.
    environment = os.environ | {
        "MLFLOW_DISABLE_TELEMETRY": "true",
        "MLFLOW_SERVER_ENABLE_JOB_EXECUTION": "false",
    }
    command += ["--host", "127.0.0.1", "--port", str(port), "--workers", "1"]
    command += ["--uvicorn-opts", "--log-level warning --no-access-log"]
    os.execve(sys.executable, command, environment)


def _pages(file: Path | None) -> dict[str, str]:
    """The page of each experiment by its name, beside that of all experiments."""
    pages = {"all experiments": f"experiments?{_TRAINING}"}
    if file is not None:
        # The table, because MLflow's own client takes seconds to import.
        with closing(sqlite3.connect(file)) as connection:
            rows = connection.execute(
                "SELECT name, e.experiment_id, key FROM experiments e LEFT JOIN experiment_tags t "
                "ON t.experiment_id = e.experiment_id AND key = ? "
                "WHERE lifecycle_stage = 'active' AND name != 'Default' ORDER BY name",
                (VIEW,),
            )
            for name, number, view in rows:
                shown = f"&{OPENED_BY}" if view else ""
                pages[name] = f"experiments/{number}/runs?{_TRAINING}{shown}"
    return pages


def _check_free(port: int) -> None:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except (OSError, OverflowError) as error:
            raise UserError(
                f"port {port} cannot be used ({error}); choose another one with --port, 5001 say"
            ) from None
