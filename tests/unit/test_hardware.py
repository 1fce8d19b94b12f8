"""Which device a stage runs on, and what it says where that cannot be."""

import graphics
import pytest
import torch
from graphics import OPEN_DRIVER
from tiny import REPOSITORY

from synthcohort.errors import UserError
from synthcohort.hardware import Hardware, gpu
from synthcohort.hardware.variables import training_threads

# The fixture of these tests too.
machine = graphics.machine


def test_without_a_gpu_the_cpu_is_taken_and_nothing_is_said(machine, capsys):
    assert Hardware().open() == torch.device("cpu")
    assert capsys.readouterr() == ("", "")


def test_a_gpu_is_taken_where_torch_sees_one(machine):
    machine.gpus(2)
    assert Hardware().open() == Hardware("cuda").open() == torch.device("cuda", 0)
    assert Hardware("cuda:1").open() == torch.device("cuda", 1)
    assert Hardware("cpu").open() == torch.device("cpu")


@pytest.mark.parametrize("form", [graphics.DRIVER, OPEN_DRIVER])
def test_a_driver_too_old_for_torch_is_told_not_survived(machine, form):
    machine.has_driver("535.54.03", form)
    machine.complains("CUDA initialization: The NVIDIA driver on your system is too old")
    with pytest.raises(UserError) as told:
        Hardware().open()
    for word in ("535.54.03", "CUDA 13.2", "580 or newer", "--device cpu", "system is too old"):
        assert word in str(told.value)
    assert "Triggered" not in str(told.value)
    assert Hardware("cpu").open().type == "cpu"


def test_a_new_driver_without_a_gpu_points_at_the_container(machine):
    machine.has_driver("580.65.06", OPEN_DRIVER)
    with pytest.raises(UserError, match=r"580\.65\.06, new enough .*nvidia-smi.*--gpus all"):
        Hardware().open()


def test_a_torch_for_the_cpu_beside_a_driver_is_told(machine, monkeypatch):
    machine.has_driver("580.65.06")
    monkeypatch.setattr(torch.version, "cuda", None)
    with pytest.raises(UserError, match="built for the CPU alone"):
        Hardware().open()


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": "0"},
        {"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "2"},
        {"SLURM_JOB_ID": "7", "SLURM_STEP_GPUS": "1,3"},
        {"CUDA_VISIBLE_DEVICES": "0"},
        {"CUDA_VISIBLE_DEVICES": "GPU-8d4"},
    ],
)
def test_a_gpu_that_somebody_promised_is_not_passed_over(machine, variables):
    machine.says(**variables)
    name, value = list(variables.items())[-1]
    with pytest.raises(UserError, match=f"{name}={value}, but torch cannot use a GPU"):
        Hardware().open()
    assert Hardware("cpu").open().type == "cpu"


@pytest.mark.parametrize(
    "variables",
    [
        {"SLURM_JOB_ID": "7"},
        {"SLURM_JOB_ID": "7", "SLURM_GPUS_ON_NODE": "0"},
        {"SLURM_JOB_ID": "7", "SLURM_JOB_GPUS": ""},
        {"CUDA_VISIBLE_DEVICES": ""},
        {"CUDA_VISIBLE_DEVICES": "-1"},
        {"CUDA_VISIBLE_DEVICES": "NoDevFiles", "SLURM_JOB_ID": "7"},
    ],
)
def test_a_gpu_that_is_not_this_jobs_is_left_alone(machine, variables):
    machine.has_driver("580.65.06")
    machine.says(**variables)
    assert Hardware().open() == torch.device("cpu")


def test_asking_for_a_gpu_where_there_is_none_says_why(machine):
    with pytest.raises(UserError, match=r"--device cuda:1.*no NVIDIA driver is loaded"):
        Hardware("cuda:1").open()


def test_every_process_takes_the_gpu_of_its_number(machine):
    machine.gpus(2)
    machine.says(LOCAL_RANK="1", LOCAL_WORLD_SIZE="2")
    assert Hardware("cuda").open() == Hardware().open() == torch.device("cuda", 1)
    with pytest.raises(UserError, match="cuda:0 with 2 processes would put all of them on one"):
        Hardware("cuda:0").open()


def test_more_processes_or_numbers_than_gpus_are_refused(machine):
    machine.gpus(1)
    with pytest.raises(UserError, match=r"--device cuda:3, but torch sees 1 here"):
        Hardware("cuda:3").open()
    machine.says(LOCAL_RANK="1", LOCAL_WORLD_SIZE="4")
    with pytest.raises(UserError, match=r"4 processes want a GPU each.*smaller --processes"):
        Hardware().open()


@pytest.mark.parametrize("capability", [(7, 0), (6, 0), (5, 2), (11, 0), (13, 0)])
def test_a_gpu_that_torch_is_not_built_for_is_refused(machine, capability):
    machine.gpus(1, capability, "Tesla V100")
    wanted = f"Tesla V100.*capability {capability[0]}.{capability[1]}, .*sm_75, .*--device cpu"
    with pytest.raises(UserError, match=wanted):
        Hardware().open()


@pytest.mark.parametrize("capability", [(7, 5), (8, 0), (8, 9), (9, 0), (10, 3), (12, 1)])
def test_a_gpu_of_the_generation_of_an_older_one_runs(machine, capability):
    machine.gpus(1, capability)
    assert Hardware().open().type == "cuda"


def test_what_is_in_cudas_assembler_runs_on_later_gpus(machine, monkeypatch):
    machine.gpus(1, (13, 0))
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90a", "compute_90"])
    assert Hardware().open().type == "cuda"
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["sm_90a"])
    with pytest.raises(UserError, match="built for sm_90a"):
        Hardware().open()
    monkeypatch.setattr(torch.cuda, "get_arch_list", lambda: ["gfx90a"])
    assert Hardware().open().type == "cuda"


@pytest.mark.parametrize("word", ["gpu", "cuda:", "cuda:x", "mps", ""])
def test_another_word_is_refused(machine, word):
    with pytest.raises(UserError, match="expected auto, cpu, cuda or cuda:<number>"):
        Hardware(word)


@pytest.mark.parametrize(
    "options", [{"precision": "fp64"}, {"compile": "yes"}, {"deterministic": "1"}]
)
def test_another_choice_names_option_and_variable(options):
    (name,) = options
    with pytest.raises(UserError, match=rf"--{name} \(or SYNTHCOHORT_{name.upper()}\)"):
        Hardware(**options)


def test_the_guide_tells_every_variable():
    guide = (REPOSITORY / "docs/gpu.md").read_text(encoding="utf-8")
    for option in graphics.OPTIONS[:5]:
        flag = option.lower().replace("_", "-")
        assert f"| `--{flag}` | `SYNTHCOHORT_{option}` |" in guide


def test_an_unreadable_driver_is_none(tmp_path):
    assert gpu.driver_version(tmp_path / "version") == ""
    (tmp_path / "version").write_text("something else")
    assert gpu.driver_version(tmp_path / "version") == "unknown"


@pytest.mark.parametrize(
    ("cores", "alone", "beside"), [(1, 1, 1), (2, 2, 1), (8, 8, 7), (64, 8, 8), (None, 8, 8)]
)
def test_a_training_leaves_a_core_where_there_is_one(cores, alone, beside):
    assert training_threads(cores) == alone
    assert training_threads(cores, beside=1) == beside
