"""`synthcohort doctor` with faults planted one at a time: each is told with what to do."""

import shutil
import subprocess
from pathlib import Path
from types import SimpleNamespace

import graphics
import pytest
import torch
import yaml
from tiny import TINY

from synthcohort.cli import main
from synthcohort.doctor import cohort_file, examination, processor, surroundings
from synthcohort.doctor.finding import Finding
from synthcohort.hardware import Hardware, peak

# The fixture of these tests too.
machine = graphics.machine

CUDA = torch.device("cuda", 0)


@pytest.fixture(autouse=True)
def quick(machine, monkeypatch, tmp_path):
    """A folder of its own without MLflow or SLURM; speeds are not what is tested."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("MLFLOW_TRACKING_URI", raising=False)
    for name in ("MAX_RETRIES", "TIMEOUT"):
        monkeypatch.setenv(f"MLFLOW_HTTP_REQUEST_{name}", "0" if name == "MAX_RETRIES" else "5")
    monkeypatch.setitem(peak._SIDE, "cpu", 64)
    monkeypatch.setattr(peak.matmul_peak, "__defaults__", (0.01,))
    monkeypatch.setattr(processor.speed, "__defaults__", (0.01,))
    monkeypatch.setattr(cohort_file.precisions, "__defaults__", (0.01,))
    which = shutil.which
    monkeypatch.setattr(shutil, "which", lambda name: None if name == "sbatch" else which(name))


def examined(
    hardware: Hardware | None = None, configfile: Path | None = None
) -> dict[str, Finding]:
    found = examination.examine(hardware or Hardware(), Path("results"), configfile)
    return {finding.what: finding for finding in found}


def test_a_machine_without_a_gpu_is_fit_for_the_demo(capsys):
    main(["doctor"])
    told = capsys.readouterr().out
    assert "warn  driver        no GPU here" in told and "\nbad" not in told
    for what in ("compiler", "precision", "speed", "disk", "results", "MLflow", "SLURM"):
        assert f"ok    {what}" in told
    assert not Path("results").exists(), "looking leaves nothing behind"


def test_a_driver_without_a_usable_gpu_is_bad_and_ends_with_1(machine, capsys):
    machine.has_driver("535.54.03")
    with pytest.raises(SystemExit) as end:
        main(["doctor"])
    assert end.value.code == 1
    told = " ".join(capsys.readouterr().out.split())
    assert "bad driver the driver in" in told, told and "→ update the driver" in told
    assert "ok MLflow" in told, "the other checks are told as well"
    main(["doctor", "--device", "cpu"])
    assert "the CPU was asked for" in capsys.readouterr().out


def test_a_gpu_that_was_asked_for_and_is_not_there_is_bad_once(machine):
    none = examined(Hardware("cuda"))
    assert none["driver"].state == "bad" and none["driver"].told.startswith("--device cuda, but")
    assert "device" not in none and "speed" not in none
    machine.gpus(1)
    device = next(f for f in [processor.opened(Hardware("cuda:3"))] if isinstance(f, Finding))
    assert device.state == "bad" and "torch sees 1 here" in device.told


def test_a_card_that_torch_is_not_built_for_is_bad(machine):
    machine.gpus(1, (7, 0), "Tesla V100")
    card = examined()["cuda:0"]
    assert card.state == "bad" and "7.0" in card.told and "sm_70" in card.remedy


def test_a_good_card_is_told_with_its_memory(machine, monkeypatch):
    machine.gpus(2)
    about = SimpleNamespace(total_memory=80 * 2**30)
    monkeypatch.setattr(torch.cuda, "get_device_properties", lambda device: about)
    machine.has_driver("580.65.06")
    first, second = processor.cards(Hardware())
    assert (first.what, second.what, first.state) == ("cuda:0", "cuda:1", "ok")
    assert first.told == "H100, 80 GiB, capability 9.0"
    driver = processor.driver(Hardware())
    assert driver.state == "ok" and driver.told.startswith("580.65.06, torch")


def test_no_compiler_is_a_warning_on_a_gpu_and_bad_where_it_was_asked_for(machine, monkeypatch):
    machine.gpus(1)

    def refuse(*_):
        raise RuntimeError("Failed to find C compiler")

    monkeypatch.setattr(torch, "compile", refuse)
    for asked, state in (("auto", "warn"), ("on", "bad"), ("off", "ok")):
        found = processor.compiler(Hardware(compile=asked), CUDA)
        assert found.state == state, asked
        assert asked == "off" or ("C compiler" in found.told and "apt install gcc" in found.remedy)


def test_a_card_without_bf16_is_a_warning(machine):
    machine.gpus(1, (7, 5), "Tesla T4")
    assert processor.numbers(Hardware(), CUDA).state == "warn"
    assert processor.numbers(Hardware(precision="fp32"), CUDA).told == "float32"
    machine.gpus(1, (8, 0))
    assert processor.numbers(Hardware(), CUDA).told == "bfloat16"


def test_several_gpus_without_nccl_are_bad(machine, monkeypatch):
    assert processor.nccl(Hardware()) is None
    monkeypatch.setattr(torch.distributed, "is_nccl_available", lambda: False)
    for count, state in ((1, "warn"), (4, "bad")):
        machine.gpus(count)
        assert processor.nccl(Hardware()).state == state
    assert processor.nccl(Hardware("cpu")) is None


@pytest.mark.parametrize("free, state", [(2**20, "bad"), (5 * 2**30, "warn"), (2**40, "ok")])
def test_a_full_disk_is_told(monkeypatch, free, state):
    usage = SimpleNamespace(free=free)
    monkeypatch.setattr(shutil, "disk_usage", lambda path: usage)
    assert surroundings.disk(Path("results")).state == state


def test_a_disk_is_measured_against_what_the_system_writes(monkeypatch):
    monkeypatch.setattr(shutil, "disk_usage", lambda path: SimpleNamespace(free=20 * 2**30))
    states = [surroundings.disk(Path("results"), n * 2**30).state for n in (1, 15, 30)]
    assert states == ["ok", "warn", "bad"]


def test_folders_that_cannot_be_written_to_are_told(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file/cache"))
    monkeypatch.setenv("TORCHINDUCTOR_CACHE_DIR", str(tmp_path / "file"))
    found = {each.what: each for each in surroundings.folders(tmp_path / "file")}
    states = {name: each.state for name, each in found.items()}
    expected = {"results": "bad", "temporary": "ok", "cache": "warn", "compiled": "bad"}
    assert states == expected
    assert "XDG_CACHE_HOME" in found["cache"].remedy and str(tmp_path) in found["results"].told


def test_mlflow_that_is_down_is_bad_and_one_that_answers_is_ok(monkeypatch, tmp_path):
    monkeypatch.setenv("MLFLOW_TRACKING_URI", "http://me:secret@127.0.0.1:9")
    down = surroundings.mlflow(Path("results"))
    assert down.state == "bad" and "start the server" in down.remedy
    assert "secret" not in down.told and "127.0.0.1:9" in down.told
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path / 'runs.db'}")
    assert surroundings.mlflow(Path("results")).told.startswith("will be made")
    (tmp_path / "runs.db").write_text("no database")
    assert surroundings.mlflow(Path("results")).state == "bad"


@pytest.mark.parametrize(
    "said, code, state",
    [
        ("cpu* (null)\ngpu gpu:a100:4\n", 0, "ok"),
        ("cpu* (null)\n", 0, "warn"),
        ("", 1, "bad"),
    ],
)
def test_slurm_is_asked_for_its_gpus(monkeypatch, said, code, state):
    monkeypatch.setattr(shutil, "which", lambda name: f"/usr/bin/{name}")
    done = subprocess.CompletedProcess([], code, said, "Unable to contact slurm controller")
    monkeypatch.setattr(subprocess, "run", lambda *_, **__: done)
    found = surroundings.slurm()
    assert found.state == state
    assert state != "ok" or found.told == "partitions with GPUs: gpu"
    assert state != "bad" or "Unable to contact" in found.told


def test_a_system_is_checked_with_its_configuration(tmp_path, monkeypatch):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(TINY))
    found = examined(Hardware("cpu"), path)
    assert found["settings"].state == found["source"].state == "ok"
    assert "images/s in fp32" in found["denoiser"].told
    assert "this system writes" in found["disk"].told

    path.write_text(yaml.safe_dump(TINY | {"prepare": {"sizes": 3}}))
    assert "did you mean 'size'" in examined(Hardware("cpu"), path)["settings"].told

    folder = {"kind": "folder", "root": "${COHORT}", "expression": "(?P<patient>.+)"}
    path.write_text(yaml.safe_dump(TINY | {"source": folder}))
    monkeypatch.delenv("COHORT", raising=False)
    assert "COHORT is not set" in examined(Hardware("cpu"), path)["settings"].told
    monkeypatch.setenv("COHORT", str(tmp_path / "images"))
    missing = examined(Hardware("cpu"), path)["source"]
    assert missing.state == "bad" and str(tmp_path / "images") in missing.told


def test_a_faster_precision_is_recommended(tmp_path, monkeypatch):
    system = cohort_file.config.check(TINY)
    for speeds, state in (((10, 30), "warn"), ((10, 10.5), "ok"), ((30, 10), "ok")):
        told = dict(zip(("fp32", "bf16"), speeds, strict=True))
        monkeypatch.setattr(cohort_file.precision, "speeds", lambda *_, told=told: told)
        found = cohort_file.precisions(system, torch.device("cpu"))
        assert found.state == state
        assert state == "ok" or "SYNTHCOHORT_PRECISION=bf16" in found.remedy


@pytest.mark.parametrize("changes", [{"network": "none"}, {"network": "kl"}])
def test_the_need_for_disk_grows_with_the_images(changes):
    def need(images: int) -> int:
        autoencoder = TINY["autoencoder"] | changes if changes["network"] == "kl" else changes
        sampling = TINY["sampling"] | {"images": images}
        plan = TINY | {"autoencoder": autoencoder, "sampling": sampling}
        return cohort_file.need(cohort_file.config.check(plan))

    assert need(1000) - need(0 + 1) == 999 * 3 * 32 * 32


def test_a_check_that_breaks_is_a_finding(monkeypatch):
    def broken():
        raise ValueError("what?\nmore")

    monkeypatch.setattr(surroundings, "slurm", broken)
    assert examined()["SLURM"] == Finding("SLURM", "bad", "could not be checked: what?")
