"""The record of a run as an RO-Crate: valid, whole, and without what is private."""

import io
import json
import platform
import re
from importlib.resources import files
from pathlib import Path

import pytest
import requests
import requests_cache
import urllib3
from rocrate.rocrate import ROCrate
from rocrate_validator.models import Severity, ValidationSettings
from rocrate_validator.services import validate
from tiny import REPOSITORY

from synthcohort import config
from synthcohort.errors import UserError
from synthcohort.tracking.crate import crate
from synthcohort.tracking.journal import Journal

WORKFLOW = [REPOSITORY / "workflow/Snakefile", *REPOSITORY.glob("workflow/rules/*.smk")]
CONTEXT = "https://w3id.org/ro/crate/1.1/context"


class Library(requests.adapters.BaseAdapter):
    """Answers every request with the JSON-LD context that ro-crate-py brings, in which the terms of
    RO-Crate 1.3 are put back to what they stood for in 1.1."""

    def send(self, request, **_):
        body = files("rocrate").joinpath("data/ro-crate.jsonld").read_text()
        for name in ("input", "output"):
            was = f"https://bioschemas.org/ComputationalWorkflow#{name}"
            body = body.replace(f"https://bioschemas.org/terms/{name}", was)
        body = body.replace("https://bioschemas.org/terms/", "https://bioschemas.org/").encode()
        answer = requests.Response()
        answer.status_code, answer.url, answer.request = 200, request.url, request
        answer.headers["Content-Type"] = "application/ld+json"
        answer.raw = urllib3.HTTPResponse(
            io.BytesIO(body), headers=dict(answer.headers), status=200, preload_content=False
        )
        return answer

    def close(self):
        pass


@pytest.fixture
def made(tmp_path):
    """A finished run's journals and export, of a source in a private folder; writes its crate."""
    root = tmp_path / "of Dr Somebody"
    for stage in ("prepare", "autoencoder", "diffusion", "sample-00000"):
        with Journal(tmp_path / f"journal/{stage}.jsonl", stage, {"root": str(root)}) as journal:
            journal.result(images=3)
    export = tmp_path / "export"
    export.mkdir()
    (export / "results.json").write_text('{"results": []}\n')
    (export / "SHA256SUMS").write_text(f"{64 * '0'}  README.md\n")
    system = config.check(
        {
            "name": "tiny",
            "source": {"kind": "folder", "root": str(root), "expression": "(?P<patient>.)"},
            "autoencoder": {"images": 1000},
            "diffusion": {"images": 2000},
            "export": {"title": "Hands"},
        }
    )

    def write(out: str = "crate") -> Path:
        crate(
            system,
            workflow=WORKFLOW,
            export=export,
            journals=list((tmp_path / "journal").glob("*.jsonl")),
            out=tmp_path / out,
            journal=Journal(None, "crate", {}),
        )
        return tmp_path / out

    return write


def test_the_crate_is_valid_and_its_files_are_there(made, tmp_path):
    folder = made()
    with requests_cache.CachedSession(str(tmp_path / "cache"), expire_after=-1) as session:
        session.mount("https://", Library())
        session.get(CONTEXT)
    judged = validate(
        ValidationSettings(
            rocrate_uri=str(folder),
            profile_identifier="provenance-run-crate",
            requirement_severity=Severity.REQUIRED,
            offline=True,
            cache_path=str(tmp_path / "cache"),
        )
    )
    assert judged.passed(), [issue.message for issue in judged.get_issues()]
    read = ROCrate(folder)
    assert read.mainEntity["programmingLanguage"]["name"] == "Snakemake"
    actions = {entity.id: entity for entity in read.get_by_type("CreateAction")}
    assert set(actions) == {
        *("#run", "#stage-prepare", "#stage-autoencoder", "#stage-diffusion"),
        "#stage-sample-00000",
    }
    assert actions["#run"]["instrument"] is read.mainEntity
    assert all("Completed" in action["actionStatus"] for action in actions.values())
    assert all(action["startTime"] <= action["endTime"] for action in actions.values())


def test_nothing_private_is_in_it(made, tmp_path):
    folder = made()
    text = "".join(path.read_text() for path in folder.rglob("*") if path.is_file())
    assert "Somebody" not in text and str(tmp_path) not in text
    described = (folder / "ro-crate-metadata.json").read_text()
    assert not re.search(rf"\b{re.escape(platform.node())}\b", described)
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["source"]["root"] == "(a path of the machine it ran on)"
    assert settings["diffusion"]["images"] == 2000 and settings["export"]["title"] == "Hands"


def test_the_same_journals_give_the_same_bytes(made):
    one, two = made("one"), made("two")
    names = [path.relative_to(one) for path in sorted(one.rglob("*")) if path.is_file()]
    assert len(names) == len([path for path in two.rglob("*") if path.is_file()])
    assert all((one / name).read_bytes() == (two / name).read_bytes() for name in names)


def test_a_stage_that_failed_is_told_and_one_that_never_ended_is_no_action(made, tmp_path):
    with pytest.raises(ValueError), Journal(tmp_path / "journal/fid.jsonl", "fid", {}):
        raise ValueError("in /home/somebody")
    Journal(tmp_path / "journal/killed.jsonl", "killed", {}).__enter__()
    folder = made()
    status = {
        entity.id: entity["actionStatus"].rpartition("/")[2]
        for entity in ROCrate(folder).get_by_type("CreateAction")
    }
    assert status["#stage-fid"] == status["#run"] == "FailedActionStatus"
    assert status["#stage-prepare"] == "CompletedActionStatus" and "#stage-killed" not in status
    assert "/home/somebody" not in (folder / "ro-crate-metadata.json").read_text()


def test_a_run_of_which_no_stage_has_ended_has_no_crate(made, tmp_path):
    for path in (tmp_path / "journal").iterdir():
        path.write_text("")
    with pytest.raises(UserError, match="no stage has ended"):
        made()
    assert not (tmp_path / "crate").exists()
