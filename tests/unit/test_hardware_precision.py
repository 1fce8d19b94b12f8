"""Precision, determinism, and what the environment says before torch is imported."""

import dataclasses
import os

import graphics
import pytest
import torch
from torch import nn

from synthcohort.cli import main
from synthcohort.hardware import Hardware
from synthcohort.hardware.precision import chosen, speeds
from synthcohort.hardware.variables import COMPILED, before_torch

# The fixture of these tests too.
machine = graphics.machine

CPU, CUDA = torch.device("cpu"), torch.device("cuda", 0)


def tf32() -> set[str]:
    backends = torch.backends
    return {backends.cuda.matmul.fp32_precision, backends.cudnn.conv.fp32_precision}


def test_auto_is_what_the_device_multiplies_natively(machine):
    assert chosen("auto", CPU) == torch.float32
    machine.gpus(1, (8, 0))
    assert chosen("auto", CUDA) == torch.bfloat16
    machine.gpus(1, (7, 5), "Tesla T4")
    assert chosen("auto", CUDA) == torch.float16
    assert chosen("fp32", CUDA) == torch.float32 and chosen("bf16", CPU) == torch.bfloat16


def test_float16_is_taken_only_where_gradients_are_scaled_and_otherwise_a_line_says_so(
    machine, capsys
):
    machine.gpus(1, (7, 5), "Tesla T4")
    hardware = Hardware()
    with hardware.autocast(half=True):
        assert torch.get_autocast_dtype("cuda") == torch.float16
        assert torch.is_autocast_enabled("cuda")
    for _ in range(2):
        with hardware.autocast():
            assert not torch.is_autocast_enabled("cuda")
    told = capsys.readouterr().err
    assert told.count("float32 is used here") == 1 and "this GPU has no bf16" in told


def test_on_a_gpu_that_has_bf16_nothing_is_said(machine, capsys):
    machine.gpus(1)
    with Hardware().autocast():
        assert torch.get_autocast_dtype("cuda") == torch.bfloat16
    assert capsys.readouterr().err == ""


@pytest.mark.parametrize("precision", ["fp16", "bf16", "fp32"])
def test_the_scaler_trains_in_any_precision(machine, precision):
    """Two optimizers and one scaler, as an autoencoder with its discriminator has them."""
    hardware = Hardware("cpu", precision, 1)
    torch.manual_seed(0)
    networks = [nn.Sequential(nn.Linear(8, 8), nn.Tanh(), nn.Linear(8, 1)) for _ in range(2)]
    optimizers = [torch.optim.AdamW(network.parameters(), 0.01) for network in networks]
    scaler, x = hardware.scaler(), torch.randn(64, 8)
    assert scaler.is_enabled() == (precision == "fp16")
    losses = []
    for _ in range(60):
        for network, optimizer in zip(networks, optimizers, strict=True):
            optimizer.zero_grad()
            with hardware.autocast(half=True):
                made = network(x)
            # So small a loss has gradients that float16 cannot hold unless they are scaled.
            loss = 1e-6 * (made.float() - x[:, :1]).square().mean()
            scaler.scale(loss).backward()
            scaler.unscale_(optimizer)
            scaler.step(optimizer)
        scaler.update()
        losses.append(float(loss.detach()))
    assert losses[-1] < 0.5 * losses[0]


def test_tf32_is_allowed_but_where_exactness_is_asked(machine):
    machine.gpus(1)
    Hardware().open()
    assert tf32() == {"tf32"}
    Hardware().exact().open()
    assert tf32() == {"ieee"}
    Hardware(precision="bf16").open()
    assert tf32() == {"tf32"}
    Hardware(precision="fp32").open()
    assert tf32() == {"ieee"}
    asked = Hardware("cpu", "bf16", 3)
    assert asked.exact() == dataclasses.replace(asked, precision="fp32")


def test_deterministic_reaches_torch_cublas_and_the_compiler(machine, monkeypatch):
    for name in ("CUBLAS_WORKSPACE_CONFIG", "TORCHINDUCTOR_DETERMINISTIC"):
        monkeypatch.setenv(name, "before")
        monkeypatch.delenv(name)
    Hardware("cpu").open()
    assert not torch.are_deterministic_algorithms_enabled()
    Hardware("cpu", deterministic="on").open()
    assert torch.are_deterministic_algorithms_enabled()
    assert os.environ["CUBLAS_WORKSPACE_CONFIG"] == ":4096:8"
    assert os.environ["TORCHINDUCTOR_DETERMINISTIC"] == "1"
    # What networks are made of here has a deterministic backward pass on the CPU.
    network = nn.Sequential(nn.Conv2d(1, 4, 3), nn.GroupNorm(2, 4), nn.Upsample(scale_factor=2))
    network(torch.ones(2, 1, 8, 8)).mean().backward()


def test_both_precisions_are_measured_on_the_network():
    network, taken = nn.Conv2d(4, 8, 3), set()

    def call() -> torch.Tensor:
        made = network(torch.ones(2, 4, 16, 16))
        taken.add(made.dtype)
        return made

    found = speeds(call, CPU, seconds=0.05)
    assert found.keys() == {"fp32", "bf16"} and min(found.values()) > 0
    assert taken == {torch.float32, torch.bfloat16}


def test_variables_stand_in_for_options_and_options_win(machine, monkeypatch, tmp_path):
    asked = []
    monkeypatch.setattr("synthcohort.latents.encode.encode", lambda **kw: asked.append(kw))
    paths = ["cohort", "split", "autoencoder", "out", "measured", "arrays"]
    (tmp_path / "split").write_text("")
    command = ["encode", "--seed", "0", *(f"--{p}={tmp_path / p}" for p in paths)]
    machine.says(SYNTHCOHORT_DEVICE="cpu", SYNTHCOHORT_COMPILE="off", SYNTHCOHORT_PRECISION="bf16")
    main([*command, "--precision", "fp32"])
    (hardware,) = (given["hardware"] for given in asked)
    assert (hardware.device, hardware.compile, hardware.precision) == ("cpu", "off", "fp32")


def test_a_wrong_variable_is_told_with_its_name(machine, tmp_path, capsys):
    machine.says(SYNTHCOHORT_COMPILE="maybe")
    paths = ["cohort", "split", "autoencoder", "out", "measured", "arrays"]
    with pytest.raises(SystemExit) as end:
        main(["encode", "--seed", "0", *(f"--{p}={tmp_path / p}" for p in paths)])
    assert end.value.code == 1
    assert "SYNTHCOHORT_COMPILE): expected auto, on or off" in capsys.readouterr().err


def test_gpu_memory_grows_in_segments_unless_the_user_says_otherwise(monkeypatch):
    for name in ("PYTORCH_ALLOC_CONF", "PYTORCH_CUDA_ALLOC_CONF", COMPILED):
        monkeypatch.setenv(name, "before")
        monkeypatch.delenv(name)
    before_torch()
    assert os.environ["PYTORCH_ALLOC_CONF"] == "expandable_segments:True"
    monkeypatch.delenv("PYTORCH_ALLOC_CONF")
    monkeypatch.setenv("PYTORCH_CUDA_ALLOC_CONF", "max_split_size_mb:64")
    before_torch()
    assert "PYTORCH_ALLOC_CONF" not in os.environ


def test_compiled_networks_are_kept_where_the_workflow_says(monkeypatch, tmp_path):
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "before")
    monkeypatch.delenv("TORCHINDUCTOR_CACHE_DIR")
    monkeypatch.delenv(COMPILED, raising=False)
    before_torch()
    assert "TORCHINDUCTOR_CACHE_DIR" not in os.environ
    monkeypatch.setenv(COMPILED, str(tmp_path / "results/.compiled"))
    before_torch()
    kept = os.environ["TORCHINDUCTOR_CACHE_DIR"]
    assert kept.startswith(str(tmp_path / "results/.compiled/"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", "/elsewhere")
    before_torch()
    assert os.environ["TORCHINDUCTOR_CACHE_DIR"] == "/elsewhere"
