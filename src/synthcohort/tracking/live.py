"""MLflow while a stage runs: a process beside it that publishes the journal every few seconds.

A process and not a thread: mlflow's four seconds of import and its waiting for a server then cost
the training nothing, cannot break it, and end with a signal at the latest.
"""

import os
import select
import signal
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from synthcohort.tracking.publish import Pipeline

EXPERIMENT, RUN = "SYNTHCOHORT_EXPERIMENT", "SYNTHCOHORT_RUN"

_SHORT = 3.0  # seconds; a stage that ends earlier is left to the publication at the end
_INTERVAL = 5.0
_PATIENCE = 5.0  # seconds that the end of a stage may wait for its last publication
_BOUNDS = {"MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0", "MLFLOW_HTTP_REQUEST_TIMEOUT": "10"}


@contextmanager
def follow(journal: Path | None) -> Iterator[None]:
    """Publish `journal` while the block runs, which has to enter the Journal at that path.

    The workflow names the MLflow experiment and the pipeline run in the environment variables
    SYNTHCOHORT_EXPERIMENT and SYNTHCOHORT_RUN. Without them, or with `journal=None`, nothing is
    published. No fault of MLflow reaches the block; its end waits at most five seconds, and not at
    all where MLflow was not reached. `synthcohort.tracking.publish` sends what is missing then.
    """
    asked = journal is not None and EXPERIMENT in os.environ and RUN in os.environ
    publisher = _start(journal) if asked else None
    try:
        yield
    finally:
        if publisher is not None:
            _finish(publisher)


def _start(journal: Path) -> subprocess.Popen | None:
    command = [sys.executable, "-m", "synthcohort.tracking.live", str(journal), str(os.getpid())]
    try:
        return subprocess.Popen(
            command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, env=os.environ | _BOUNDS
        )
    except OSError as error:
        _tell(error)
        return None


def _finish(publisher: subprocess.Popen) -> None:
    # A line and not only the end of the pipe: forked workers of the stage may hold it open.
    with suppress(OSError):
        publisher.stdin.write(b"end\n")
        publisher.stdin.close()
    # One that has never reached the store is not worth waiting for.
    if select.select([publisher.stdout], [], [], 0)[0]:
        with suppress(subprocess.TimeoutExpired):
            publisher.wait(_PATIENCE)
    publisher.kill()
    publisher.wait()
    publisher.stdout.close()


def _tell(error: Exception) -> None:
    print(
        f"MLflow does not get this stage live; the stage goes on and its journal is kept. {error}",
        file=sys.stderr,
        flush=True,
    )


def _publish_until_end(journal: Path, stage: int, experiment: str, run_key: str) -> None:
    """The publishing process: a pass every few seconds, and one when `stage` ends."""
    # The stage hears them, saves, and then ends this process, which has its last events to publish.
    for number in (signal.SIGINT, signal.SIGTERM):
        signal.signal(number, signal.SIG_IGN)
    os.nice(10)
    if _ends_within(_SHORT, stage):
        return
    pipeline, told, over = None, False, False
    while True:
        try:
            pipeline = _publish(journal, stage, over, pipeline, experiment, run_key)
        except Exception as error:
            pipeline = None  # its store may have gone: the next pass looks anew
            if not told:
                _tell(error)
            told = True
        if over:
            return
        over = _ends_within(_INTERVAL, stage)


def _ends_within(seconds: float, stage: int) -> bool:
    # A killed stage writes nothing; its pipe closes, or this process gets another parent.
    return bool(select.select([sys.stdin], [], [], seconds)[0]) or os.getppid() != stage


def _publish(
    journal: Path, stage: int, over: bool, pipeline: "Pipeline | None", experiment: str, key: str
) -> "Pipeline":
    from synthcohort.tracking.attempts import attempts
    from synthcohort.tracking.publish import Pipeline
    from synthcohort.tracking.store import opened, tracking_uri

    with opened(tracking_uri(), journal.parent) as client:
        if pipeline is None:
            pipeline = Pipeline(client, experiment, key)
            print("the store is reached", flush=True)  # the stage now waits for the last pass
        latest = attempts(journal)[-1:] if journal.exists() else []
        # Until the stage begins its journal, that of an earlier run may lie there.
        if latest and latest[0].start["pid"] == stage:
            pipeline.child(latest[0], over)
            pipeline.parent_goes_on(latest[0], over)
    return pipeline


if __name__ == "__main__":
    _publish_until_end(Path(sys.argv[1]), int(sys.argv[2]), os.environ[EXPERIMENT], os.environ[RUN])
