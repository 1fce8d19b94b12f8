"""The test that a user with a GPU runs: in small, without one."""

import re
import runpy
import sys

from tiny import REPOSITORY, run

from synthcohort import config

SCRIPT = str(REPOSITORY / "benchmarks/gpu_test.py")


def test_it_trains_resumes_compares_and_measures(quick, tmp_path):
    done = run([sys.executable, SCRIPT, "--device", "cpu", "--tiny"], tmp_path, **quick)
    assert done.returncode == 0, done.stdout[-4000:]
    for training in ("autoencoder", "diffusion"):
        assert re.search(rf"^\| {training} \| [\d.e+]+ \| .*%", done.stdout, re.M)
    assert re.search(r"^\d{4}-\d\d-\d\d, CPU, torch .* TFLOP/s$", done.stdout, re.M)
    assert "Killed and resumed: yes" in done.stdout
    # On the CPU float32 is the CPU's own, to the bit.
    assert "Images in float32: 0.000 grey levels" in done.stdout


def test_what_it_trains_on_a_gpu_is_a_valid_system():
    config.check(runpy.run_path(SCRIPT)["SYSTEM"])


def test_without_a_gpu_it_says_so_and_ends_well(tmp_path):
    done = run([sys.executable, SCRIPT], tmp_path, CUDA_VISIBLE_DEVICES="")
    assert done.returncode == 0 and "skipped: torch sees no GPU here" in done.stdout
