"""Compiling where the compiler works and where it does not; the peak, and what a network asks."""

import os
import subprocess
import sys

import graphics
import pytest
import torch
from torch import nn

from synthcohort.errors import UserError
from synthcohort.hardware import Hardware, compiling, peak

# The fixture of these tests too.
machine = graphics.machine

CPU = torch.device("cpu")


class Asked(nn.Conv2d):
    """A network that only counts how often it was to be compiled."""

    compiled = 0

    def __init__(self) -> None:
        super().__init__(1, 1, 1)

    def compile(self, *_, **__) -> None:
        self.compiled += 1


@pytest.fixture
def broken(machine, monkeypatch):
    """A GPU without a C compiler beside it, as Triton tells of it."""
    machine.gpus(1)

    def refuse(*_, **__):
        raise RuntimeError("\n  Failed to find C compiler. Please specify via CC.\nTraceback …")

    monkeypatch.setattr(torch, "compile", refuse)
    return machine


def test_auto_goes_on_without_the_compiler_and_says_so_once(broken, capsys):
    networks = Asked(), Asked()
    Hardware().prepare(*networks)
    Hardware().prepare(*networks)
    assert not any(network.compiled for network in networks)
    told = capsys.readouterr().err
    assert told.count("\n") == 1
    assert "Failed to find C compiler" in told and "apt install gcc g++ python3-dev" in told
    assert "--compile off" in told


def test_a_compiler_that_was_asked_for_and_is_broken_is_an_error(broken):
    with pytest.raises(UserError, match=r"--compile on: .*Failed to find C compiler.*install"):
        Hardware(compile="on").prepare(Asked())


def test_off_does_not_try(broken, capsys):
    Hardware(compile="off").prepare(network := Asked())
    assert not network.compiled and capsys.readouterr().err == ""


def test_networks_are_compiled_on_a_gpu_and_on_a_cpu_only_where_asked(machine, monkeypatch):
    monkeypatch.setattr(compiling, "_obstacle", lambda kind: "")
    for options, expected in (({}, 0), ({"compile": "on"}, 1), ({"compile": "off"}, 0)):
        Hardware("cpu", **options).prepare(network := Asked())
        assert network.compiled == expected, options
    machine.gpus(1)
    for options, expected in (({}, 1), ({"compile": "on"}, 1), ({"compile": "off"}, 0)):
        Hardware(**options).prepare(network := Asked())
        assert network.compiled == expected, options


def test_a_broken_compiler_is_tried_once_a_process(broken, monkeypatch):
    tried = []
    monkeypatch.setattr(torch, "compile", lambda *_: tried.append(1) or 1 / 0)
    for _ in range(3):
        Hardware().prepare(Asked())
    assert len(tried) == 1


def test_inductor_without_a_compiler_is_told_in_a_sentence(tmp_path):
    """The real one, on the CPU."""
    code = (
        "import torch; from synthcohort.hardware import Hardware; from torch import nn\n"
        "Hardware('cpu', compile='on').prepare(nn.Conv2d(1, 1, 1))"
    )
    environment = os.environ | {"PATH": str(tmp_path), "TORCHINDUCTOR_CACHE_DIR": str(tmp_path)}
    for name in ("CXX", "CC"):
        environment.pop(name, None)
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert "UserError: --compile on: torch's compiler does not work here" in last, done.stderr
    assert "apt install gcc" in last


def test_the_peak_is_that_of_multiplications(monkeypatch):
    monkeypatch.setitem(peak._SIDE, "cpu", 256)
    speed = peak.matmul_peak(CPU, torch.float32, seconds=0.05)
    assert 1e8 < speed < 1e14
    assert peak.share_of_peak(2e9, 100, 1e12) == pytest.approx(0.2)
    assert peak.most_memory(CPU) == {}


def test_the_most_memory_is_told_and_counted_anew(machine, monkeypatch):
    machine.gpus(1)
    anew = []
    monkeypatch.setattr(torch.cuda, "max_memory_allocated", lambda device: 3 * 2**20)
    monkeypatch.setattr(torch.cuda, "reset_peak_memory_stats", anew.append)
    cuda = torch.device("cuda", 0)
    assert peak.most_memory(cuda) == {"gpu_memory_allocated_peak_mib": 3.0} and anew == [cuda]


def test_flops_are_those_of_a_convolution_and_of_attention():
    network, x = nn.Conv2d(3, 5, 3, padding=1), torch.ones(2, 3, 8, 8)
    expected = 2 * (2 * 8 * 8) * 5 * (3 * 9)
    assert peak.flops(lambda: network(x)) == expected
    network.compile()
    assert peak.flops(lambda: network(x)) == expected
    assert peak.flops(lambda: network.to("meta")(x.to("meta"))) == expected
    q = torch.ones(1, 2, 16, 4)
    attention = peak.flops(lambda: nn.functional.scaled_dot_product_attention(q, q, q))
    assert attention == 2 * 2 * (2 * 16 * 16 * 4)


@pytest.mark.parametrize(("pays", "compiled"), [(True, 1), (False, 0)])
def test_what_does_not_pay_is_not_compiled(machine, monkeypatch, pays, compiled):
    machine.gpus(1)
    told = []
    monkeypatch.setattr(compiling, "obstacle", lambda device: "")
    monkeypatch.setattr(nn.Module, "compile", lambda self: told.append(self))
    Hardware().prepare(nn.Conv2d(1, 1, 1), pays=pays)
    assert len(told) == compiled
    Hardware(compile="on").prepare(nn.Conv2d(1, 1, 1), pays=pays)
    assert len(told) == compiled + 1  # on is on
