"""A SLURM of one node on this machine: munged, slurmctld and slurmd, started and stopped.

It takes /etc/slurm/slurm.conf, because srun inside a job reads that file and not the submitter's
SLURM_CONF. A cluster that is configured there already is left alone. Its munged has a key and a
socket of its own, since the socket at munge's usual place may be one that nobody answers any more.
"""

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

CONFIGURATION = Path("/etc/slurm")
PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "squeue", "scancel")
MARK = "# Written by synthcohort's tests; they remove it again.\n"
GPUS = 2
# A job that is put back into the queue waits for cred_expire, otherwise two minutes.
SLURM = """\
ClusterName=synthcohort
SlurmctldHost={host}(127.0.0.1)
SlurmUser=root
AuthType=auth/munge
AuthInfo=cred_expire=10,socket={state}/munge.socket
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
SwitchType=switch/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core_Memory
AccountingStorageType=accounting_storage/none
JobAcctGatherType=jobacct_gather/none
MpiDefault=none
ReturnToService=2
MinJobAge=300
KillWait=2
SlurmdParameters=config_overrides
StateSaveLocation={state}/controller
SlurmdSpoolDir={state}/node
SlurmctldPidFile={state}/slurmctld.pid
SlurmdPidFile={state}/slurmd.pid
SlurmctldLogFile={state}/slurmctld.log
SlurmdLogFile={state}/slurmd.log
GresTypes=gpu
NodeName={host} NodeAddr=127.0.0.1 CPUs={cpus} RealMemory=128000 Gres=gpu:{gpus} State=UNKNOWN
PartitionName=gpu Nodes={host} Default=YES MaxTime=INFINITE State=UP OverSubscribe=NO
"""


def lacking() -> str:
    """What keeps a SLURM from being started here and what to do about it; empty if nothing does."""
    path = f"{os.environ['PATH']}:/usr/sbin:/sbin"
    if missing := [name for name in PROGRAMS if shutil.which(name, path=path) is None]:
        return (
            f"{', '.join(missing)} not installed; "
            "as root: apt-get install --no-install-recommends slurm-wlm munge"
        )
    if os.geteuid() != 0:
        return "slurmd has to be started as root; run `make test` as root, or in a container"
    mine = CONFIGURATION / "slurm.conf"
    if mine.exists() and not mine.read_text().startswith(MARK):
        return f"{mine} belongs to a cluster, which is left alone; use another machine"
    return ""


@contextmanager
def started(state: Path) -> Iterator[None]:
    """One node, partition "gpu", without accounting: the cores of this machine, and memory and GPUs
    that are only pretended."""
    for name in ("controller", "node"):
        (state / name).mkdir(parents=True)
    host = socket.gethostname().split(".")[0]
    values = {"host": host, "state": state, "cpus": os.cpu_count(), "gpus": GPUS}
    texts = {
        "slurm.conf": SLURM.format(**values),
        "gres.conf": f"NodeName={host} Name=gpu Count={GPUS} File=/dev/tty[0-{GPUS - 1}]\n",
    }
    with ExitStack() as stack:
        for name, text in texts.items():
            stack.callback((CONFIGURATION / name).unlink, missing_ok=True)
            (CONFIGURATION / name).write_text(MARK + text)
        stack.enter_context(_daemon(_munged(state)))
        socket_of_ours = state / "munge.socket"
        _wait(lambda: _answer("munge", "-n", f"--socket={socket_of_ours}"), "munged", state)
        stack.enter_context(_daemon("slurmctld -D -c"))
        stack.enter_context(_daemon(f"slurmd -D -N {host}"))
        _wait(lambda: "idle" in _answer("sinfo", "-h", "-o", "%T"), "slurmctld and slurmd", state)
        stack.callback(subprocess.run, ["scancel", "--quiet", "--user=root"], check=False)
        yield


@contextmanager
def _daemon(command: str) -> Iterator[None]:
    environment = os.environ | {"PATH": f"{os.environ['PATH']}:/usr/sbin:/sbin"}
    process = subprocess.Popen(
        command.split(), env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        yield
    finally:
        process.terminate()
        try:
            process.wait(20)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def _munged(state: Path) -> str:
    """The command of a munged whose every file is in `state`, which it makes a key for."""
    key = state / "munge.key"
    key.touch(mode=0o600)
    key.write_bytes(secrets.token_bytes(64))
    files = {"socket": "socket", "pid-file": "pid", "seed-file": "seed", "log-file": "log"}
    options = " ".join(f"--{option}={state}/munge.{name}" for option, name in files.items())
    return f"munged --foreground --force --key-file={key} {options}"


def _wait(ready: Callable[[], object], what: str, state: Path, seconds: int = 60) -> None:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if ready():
            return
        time.sleep(0.2)
    logs = "".join(path.read_text()[-2000:] for path in state.glob("*.log"))
    raise RuntimeError(f"{what} did not start within {seconds} seconds\n{logs}")


def _answer(*command: str) -> str:
    """What a command prints; nothing where it fails, or waits for a daemon that does not answer."""
    try:
        return subprocess.run(
            command, capture_output=True, text=True, check=True, timeout=10
        ).stdout
    except (subprocess.CalledProcessError, subprocess.TimeoutExpired):
        return ""
