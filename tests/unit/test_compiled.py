"""Everything that is compiled, in bf16, by the compiler's front end (aot_eager: no C compiler)."""

import dataclasses
import json
from pathlib import Path

import numpy as np
import pytest
import torch
import trained
from torch import nn
from torch._dynamo.utils import counters
from trained import AUTOENCODER, DIFFUSION, autoencoder, diffusion

from synthcohort.config import Sampling
from synthcohort.diffusion.sampling import draw, load_schedule
from synthcohort.hardware import Hardware, compiling
from synthcohort.models import load_autoencoder, load_denoiser
from synthcohort.training import loop

# The fixture of these tests too.
system = trained.system

EAGER, COMPILED = (Hardware("cpu", "bf16", 1, compile=word) for word in ("off", "on"))
SETTINGS = {
    autoencoder: AUTOENCODER.model_copy(
        update={"images": 64, "network": "kl", "channels": (8,), "recompute": True}
        | {"adversarial_weight": 0.1, "adversarial_start": 0.5}
    ),
    diffusion: DIFFUSION.model_copy(
        update={"images": 64, "channels": (8,), "attention": (True,), "recompute": True}
    ),
}


@pytest.fixture
def graphs(monkeypatch):
    """How many graphs have been compiled since the test began."""
    compiled = nn.Module.compile
    monkeypatch.setattr(nn.Module, "compile", lambda self: compiled(self, backend="aot_eager"))
    monkeypatch.setattr(compiling, "_obstacle", lambda kind: "")
    torch.compiler.reset()
    counters.clear()
    yield lambda: counters["stats"]["unique_graphs"]
    torch.compiler.reset()


def losses(path: Path) -> np.ndarray:
    history = json.loads(path.read_text())
    return np.array([[e["loss"], e[next(k for k in e if "validation" in k)]] for e in history])


@pytest.mark.parametrize(("stage", "expected"), [(autoencoder, 2), (diffusion, 1)])
def test_a_compiled_training_is_the_same_and_goes_on_where_it_was(
    system, monkeypatch, graphs, stage, expected
):
    settings, name = SETTINGS[stage], f"compiled-{stage.__name__}"
    monkeypatch.setattr(trained, "HARDWARE", EAGER)
    stage(system, f"eager-{name}", settings)
    assert graphs() == 0
    monkeypatch.setattr(trained, "HARDWARE", COMPILED)
    whole = stage(system, name, settings)
    # Encoder and decoder, or the U-Net; nothing for validations, the latents' scale, the layers.
    assert graphs() == expected and not counters["graph_break"]
    eager, compiled = (losses(system / f"{of}{name}.json") for of in ("eager-", ""))
    np.testing.assert_allclose(compiled, eager, rtol=0.05)
    real = loop.learning_rate

    def dying(settings, seen):
        if seen == 48:
            raise KeyboardInterrupt
        return real(settings, seen)

    with monkeypatch.context() as changed:
        changed.setattr(loop, "learning_rate", dying)
        often = dataclasses.replace(COMPILED, checkpoint_minutes=0)
        changed.setattr(trained, "HARDWARE", often)
        with pytest.raises(KeyboardInterrupt):
            stage(system, f"resumed-{name}", settings)
    resumed = stage(system, f"resumed-{name}", settings)
    assert all(torch.equal(resumed[key], whole[key]) for key in whole)


@pytest.mark.parametrize("guidance", [1.0, 2.0])
def test_compiled_samples_are_those_of_eager_networks(system, graphs, guidance):
    settings = Sampling(steps=2, batch=4, guidance=guidance)
    made = []
    for hardware in (EAGER, COMPILED):
        decoder = load_autoencoder(system / "autoencoder")
        denoiser = load_denoiser(system / "diffusion")
        hardware.prepare(decoder.decoder, denoiser)
        told = torch.eye(3)[[0, 1, 2, 1, 0, 2]]
        given = decoder, denoiser, load_schedule(system / "diffusion"), told, list(range(6))
        made.append(torch.cat(list(draw(settings, *given, hardware))))
    torch.testing.assert_close(made[0], made[1], rtol=0.05, atol=0.05)
    # Once each, as the last batch is filled up, and the denoiser twice where only one of the two
    # steps is guided: told and untold are one batch there.
    assert graphs() == (2 if guidance == 1 else 3)


@pytest.mark.parametrize("pays", [False, True])
def test_networks_are_compiled_where_it_pays(monkeypatch, graphs, pays):
    asked, network = [], nn.Conv2d(1, 1, 1)
    monkeypatch.setattr(Hardware, "open", lambda self: torch.device("cuda"))
    monkeypatch.setattr(network, "compile", lambda: asked.append(1))
    Hardware().prepare(network, pays=pays)
    assert len(asked) == pays
    Hardware(compile="on").prepare(network, pays=False)
    Hardware(compile="off").prepare(network)
    assert len(asked) == pays + 1
