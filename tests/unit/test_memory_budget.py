"""The computed memory of a training against the memory that a real one takes."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch
from tiny import REPOSITORY
from torch._subclasses.fake_tensor import FakeTensorMode

from synthcohort.config import Autoencoder, Diffusion, load
from synthcohort.models import build_autoencoder, build_denoiser
from synthcohort.models.condition import predict

BENCHMARKS = REPOSITORY / "benchmarks"
CONFIG = """
name: budget
source: {kind: digits}
prepare: {size: [64, 64]}
autoencoder: {network: kl, images: 1, batch: 16, channels: [32, 32], latent_channels: 4%s}
diffusion: {images: 1, batch: 32, channels: [64, 64], attention: [false, true], blocks: 1}
"""
# In a process of its own, where malloc gives back what is freed: the computed peak, and by how
# much its largest resident memory grows with real tensors. getrusage would tell the largest of the
# process it was forked from as well, which by then may have been larger.
CODE = """
import re, sys
from pathlib import Path
import torch
sys.path.insert(0, sys.argv[1])
import memory_budget
from synthcohort import config
from torch._subclasses.fake_tensor import FakeTensorMode

system = config.load(sys.argv[2])
torch.set_num_threads(1)
steps = {
    "diffusion": (memory_budget.denoiser_step, system.diffusion, (4, 32, 32)),
    "autoencoder": (memory_budget.autoencoder_step, system.autoencoder, (1, 64, 64)),
}
build, settings, shape = steps[sys.argv[3]]

def peak():
    return 1024 * int(re.search(r"VmHWM:\\s+(\\d+) kB", Path("/proc/self/status").read_text())[1])

with FakeTensorMode():
    computed = memory_budget.budget(lambda: build(settings, shape, settings.batch))["peak"]
build(settings, shape, 1)[1]()  # imports, and what the libraries set up once
before = peak()
_, step = build(settings, shape, settings.batch)
step(), step()
print(computed, peak() - before)
"""


def measured(folder: Path, training: str, changes: str = "") -> tuple[int, int]:
    (folder / "config.yaml").write_text(CONFIG % changes)
    done = subprocess.run(
        [sys.executable, "-c", CODE, str(BENCHMARKS), str(folder / "config.yaml"), training],
        env=os.environ | {"MALLOC_MMAP_THRESHOLD_": "65536", "MALLOC_TRIM_THRESHOLD_": "65536"},
        capture_output=True,
        text=True,
        check=True,
    )
    computed, real = map(int, done.stdout.split())
    return computed, real


@pytest.mark.parametrize(
    ("training", "changes"), [("autoencoder", ", recompute: true"), ("diffusion", "")]
)
def test_the_computed_peak_is_the_measured_one_within_a_fifth(tmp_path, training, changes):
    computed, real = measured(tmp_path, training, changes)
    assert computed == pytest.approx(real, rel=0.2)
    assert computed > 50e6  # large enough to stand out from what else a process holds


def test_recomputed_activations_give_the_same_gradients():
    images, found = torch.rand(2, 1, 16, 16), []
    for recompute in (False, True):
        settings = Autoencoder(images=1, network="kl", channels=(8, 8), recompute=recompute)
        torch.manual_seed(0)
        model = build_autoencoder(settings, 1, (16, 16))
        model.decode(model.encode(images).latent_dist.mode()).sample.square().mean().backward()
        found.append([weight.grad for weight in model.parameters()])
    for kept, anew in zip(*found, strict=True):
        torch.testing.assert_close(kept, anew)


@pytest.mark.parametrize("changes", [{}, {"cross_attention": True}, {"attention": (False, False)}])
def test_a_denoiser_that_computes_anew_has_the_same_gradients_with_less(changes):
    noisy, told, found = torch.randn(4, 2, 8, 8), torch.eye(4)[:, :3], []
    for recompute in (False, True):
        kept = []
        settings = Diffusion(images=1, channels=(8, 16), blocks=1, recompute=recompute, **changes)
        torch.manual_seed(0)
        model = build_denoiser(settings, (2, 8, 8), 2)
        with torch.autograd.graph.saved_tensors_hooks(
            lambda x, kept=kept: kept.append(x.numel()) or x, lambda x: x
        ):
            value = predict(model, noisy, torch.full((4,), 5), told).square().mean()
        value.backward()
        found.append([weight.grad for weight in model.parameters()])
        found.append(sum(kept))
    for before, anew in zip(found[0], found[2], strict=True):
        torch.testing.assert_close(before, anew)
    assert found[3] < 0.7 * found[1]


def test_what_the_settings_for_oasis_say_of_their_memory_is_computed(monkeypatch):
    monkeypatch.syspath_prepend(BENCHMARKS)
    monkeypatch.setenv("OASIS", "oasis.zip")
    import memory_budget

    system = load(REPOSITORY / "config/oasis.yaml")
    with FakeTensorMode():
        passes = memory_budget.passes(system, "bf16", 0)
        found = {name: budget["peak"] / 1e9 for name, _, budget in passes}
    assert found.keys() == {
        "sampling",
        "validation of diffusion",
        "validation",
        "encode",
        "audit",
        "decoding of samples",
    }
    assert 2.2 < max(found.values()) < 2.4
    said = (REPOSITORY / "config/oasis.yaml").read_text()
    assert "at more than 2.4 GB" in said
