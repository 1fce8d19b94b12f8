"""The workflow in another repository's Snakefile, and what its lint says."""

import re
import subprocess

import yaml
from tiny import REPOSITORY, configured, run

IMPORTING = """
configfile: "config/config.yaml"


module synthcohort:
    snakefile:
        {snakefile}
    config:
        config["cohort"]
    pathvars:
        results="made",
        logs="made/logs",


use rule * from synthcohort as synthetic_*


rule everything:
    default_target: True
    input:
        rules.synthetic_all.input,
"""


def deployed(folder, snakefile: str):
    """A repository of somebody's that imports the workflow, with more in its configuration."""
    for name in ("config", "workflow"):
        (folder / name).mkdir(parents=True)
    configured(folder)
    system = yaml.safe_load((folder / "config.yaml").read_text())
    (folder / "config.yaml").unlink()
    (folder / "config/config.yaml").write_text(yaml.safe_dump({"cohort": system, "mine": 1}))
    (folder / "workflow/Snakefile").write_text(IMPORTING.format(snakefile=snakefile))
    return folder


def test_a_tag_of_a_repository_runs_as_a_module(tmp_path):
    clone = tmp_path / "clone"
    tracked = subprocess.check_output(["git", "ls-files", "workflow"], cwd=REPOSITORY, text=True)
    for name in tracked.split():
        (clone / name).parent.mkdir(parents=True, exist_ok=True)
        (clone / name).write_bytes((REPOSITORY / name).read_bytes())
    mine = ["-c", "user.name=me", "-c", "user.email=me@example.org"]
    for command in (["init", "-q"], ["add", "."], ["commit", "-qm", "All"], ["tag", "v1"]):
        subprocess.run(["git", *mine, *command], cwd=clone, check=True)
    folder = deployed(tmp_path / "mine", f'gitfile("{clone}", path="workflow/Snakefile", tag="v1")')
    made = run(["snakemake", "--cores", "1", "made/tiny/raw"], folder)
    assert made.returncode == 0, made.stdout[-3000:]
    assert (folder / "made/tiny/raw/participants.tsv").exists()
    assert (folder / "made/tiny/journal/fetch.jsonl").exists()
    planned = run(["snakemake", "--cores", "1", "--dry-run", "--printshellcmds"], folder)
    assert planned.returncode == 0, planned.stdout[-3000:]
    for rule in ("synthetic_diffusion", "synthetic_export", "synthetic_crate", "everything"):
        assert f"rule {rule}:" in planned.stdout
    commands = re.findall("synthcohort (?:autoencoder|export|report|crate) .*", planned.stdout)
    assert len(commands) == 4
    assert all("made/tiny/" in command for command in commands)
    assert not re.search(r"(?<!\w)results/", " ".join(commands))
    assert not (folder / "results").exists() and not (folder / "logs").exists()


def test_a_path_is_a_module_too_and_a_fault_in_its_part_of_the_configuration_is_told(tmp_path):
    folder = deployed(tmp_path / "mine", f'"{REPOSITORY}/workflow/Snakefile"')
    path = folder / "config/config.yaml"
    path.write_text(path.read_text().replace("cohort:\n", "cohort:\n  saed: 1\n"))
    refused = run(["snakemake", "--cores", "1", "--dry-run"], folder)
    assert refused.returncode != 0 and "saed: unknown key" in refused.stdout


def test_lint_has_nothing_to_say_but_what_docs_deployment_gives_the_reason_of():
    told = run(["snakemake", "--lint"], REPOSITORY).stdout
    found = set(re.findall(r"^    \* (.+)$", told, re.MULTILINE))
    assert found == {"Specify a conda environment or container for each rule.:"}, told[-3000:]
    assert "snakemake --lint" in (REPOSITORY / "docs/deployment.md").read_text()
