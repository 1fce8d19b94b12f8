"""The workstation profile at work: real jobs, and GPUs that are only names."""

import shutil
import sys

from tiny import REPOSITORY, configured, run

# `synthcohort` on a machine whose GPUs are pretended: it says when it took which and when it ended,
# and calculates on the CPU.
PRETENDING = """\
#!{python}
import os, time
from pathlib import Path
from synthcohort import cli
from synthcohort.hardware import gpu

def find(asked, driver=None):
    import torch
    return torch.device("cpu")

def told(what):
    with open({log!r}, "a") as file:
        print(time.monotonic(), what, os.environ["CUDA_VISIBLE_DEVICES"], file=file, flush=True)

def taking(count, device):
    take(count, device)
    if count:
        told("took")

gpu.find, take, cli.take = find, cli.take, taking
try:
    cli.main()
finally:
    told("ended")
"""


def test_no_more_jobs_run_than_gpus_and_no_gpu_has_two(finished, tmp_path):
    folder = tmp_path / "run"
    shutil.copytree(finished, folder)
    log, command = tmp_path / "log", tmp_path / "bin/synthcohort"
    command.parent.mkdir()
    command.write_text(PRETENDING.format(python=sys.executable, log=str(log)))
    command.chmod(0o755)
    sampling = {"images": 12, "shard": 2, "steps": 2, "batch": 2}  # other samples: drawn anew
    profile = ["--profile", str(REPOSITORY / "workflow/profiles/workstation")]
    here = ["--cores", "16", "--resources", "gpu=2", "--snakefile", str(REPOSITORY / "Snakefile")]
    config = ["--configfile", configured(folder, sampling=sampling)]
    done = run(
        ["snakemake", "results/tiny/samples/shards.csv", *profile, *here, *config],
        folder,
        PATH=f"{command.parent}:{sys.prefix}/bin:/usr/bin:/bin",
        CUDA_VISIBLE_DEVICES="5,7",
        TMPDIR=str(tmp_path),
    )
    assert done.returncode == 0, done.stdout[-4000:]
    events = [line.split() for line in log.read_text().splitlines() if "," not in line]
    running: list[str] = []
    most = 0
    for _, what, gpu in events:
        if what == "took":
            assert gpu not in running, "two jobs on one GPU"
            running.append(gpu)
            most = max(most, len(running))
        else:
            running.remove(gpu)
    assert len(events) == 8 and {gpu for *_, gpu in events} == {"5", "7"} and most == 2
