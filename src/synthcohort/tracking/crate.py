"""The run as an RO-Crate, of the profile Provenance Run Crate 0.5: what was run, on what, when.

A folder that can be handed on beside the dataset, or published: the workflow's files, the settings,
the evaluation and audit, the dataset's checksums, and each stage as an action with its times. No
image is in it and no path of this machine, nor its name.
"""

import shutil
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from synthcohort import sources
from synthcohort.config import Config
from synthcohort.errors import UserError
from synthcohort.files import atomic_directory, sha256, write_json
from synthcohort.tracking.journal import Journal, read_journal

if TYPE_CHECKING:
    from rocrate.rocrate import ROCrate

PROFILES = {
    "https://w3id.org/ro/wfrun/process/0.5": "Process Run Crate",
    "https://w3id.org/ro/wfrun/workflow/0.5": "Workflow Run Crate",
    "https://w3id.org/ro/wfrun/provenance/0.5": "Provenance Run Crate",
    "https://w3id.org/workflowhub/workflow-ro-crate/1.0": "Workflow RO-Crate",
}
LEFT_OUT = "(a path of the machine it ran on)"
STATUS = {True: "CompletedActionStatus", False: "FailedActionStatus"}


def crate(
    system: Config,
    *,
    workflow: Sequence[Path],
    export: Path,
    journals: Sequence[Path],
    out: Path,
    journal: Journal,
) -> None:
    """Write the folder `out` from the journals of all stages, the files of the `workflow` and what
    the `export` says of the dataset. The same journals give the same bytes.

    Raises:
        UserError: a journal cannot be read, or no stage has ended.
    """
    from rocrate.rocrate import ROCrate

    stages = [stage for path in sorted(journals) if (stage := _stage(path))]
    if not stages:
        raise UserError(f"{journals[0].parent}: no stage has ended; run the workflow first")
    made = ROCrate(version="1.1")
    made.name = system.export.title
    made.description = (
        f"The run of the system {system.name} that made a synthetic dataset from real images. "
        "Neither the images nor the dataset are in this crate."
    )
    made.datePublished = datetime.fromisoformat(max(stage["end"] for stage in stages))
    with atomic_directory(out) as folder:
        _fill(folder, system, workflow, export, stages[0]["environment"])
        _describe(made, folder, system, stages)
        _act(made, stages)
        made.metadata.write(folder)


def _stage(path: Path) -> dict[str, Any] | None:
    """What the crate tells of a stage, from its journal; None where it has not ended."""
    events = read_journal(path)
    starts = [event for event in events if event["event"] == "start"]
    if not starts or events[-1]["event"] != "end":
        return None
    return {
        "name": path.stem,
        "start": _iso(starts[0]["time"]),
        "end": _iso(events[-1]["time"]),
        "finished": events[-1]["status"] == "finished",
        "environment": starts[-1]["environment"],
    }


def _iso(time: float) -> str:
    return datetime.fromtimestamp(time, UTC).isoformat(timespec="seconds")


def _fill(
    folder: Path, system: Config, workflow: Sequence[Path], export: Path, environment: Mapping
) -> None:
    """The crate's files, but for its description."""
    (folder / "workflow/rules").mkdir(parents=True)
    for path in workflow:
        name = path.name.partition("@")[0]  # a file of a repository has its revision behind it
        place = "rules/" if name.endswith(".smk") else ""
        shutil.copyfile(path, folder / f"workflow/{place}{name}")
    write_json(folder / "settings.json", _public(system.model_dump(mode="python")))
    packages = {"python": environment["python"], "packages": environment["packages"]}
    write_json(folder / "packages.json", packages)
    for name in ("results.json", "SHA256SUMS"):
        shutil.copyfile(export / name, folder / name)


def _public(value: Any) -> Any:
    """`value` as JSON has it, without paths."""
    if isinstance(value, Mapping):
        return {key: _public(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_public(item) for item in value]
    if isinstance(value, Path) or (isinstance(value, str) and Path(value).is_absolute()):
        return LEFT_OUT
    return value if isinstance(value, str | int | float | None) else str(value)


def _describe(made: "ROCrate", folder: Path, system: Config, stages: Sequence[dict]) -> None:
    """The files, and what they are."""
    from rocrate.model import ContextEntity

    def add(at: str, kind: str, **properties: Any) -> ContextEntity:
        return made.add(ContextEntity(made, at, {"@type": kind} | properties))

    environment = stages[0]["environment"]
    terms = sources.terms(system.source)
    made.license = add("#licence", "CreativeWork", name=system.export.licence)
    made.root_dataset["conformsTo"] = [
        add(profile, "CreativeWork", name=name, version=profile.rpartition("/")[2])
        for profile, name in PROFILES.items()
    ]
    add(
        "#real-images",
        "CreativeWork",
        name=terms.source,
        usageInfo=" ".join(filter(None, (f"{terms.name}.", terms.note))),
    )
    add(
        "#dataset",
        "CreativeWork",
        name=system.export.title,
        identifier=f"sha256 of SHA256SUMS: {sha256(folder / 'SHA256SUMS')}",
        license={"@id": "#licence"},
    )
    tool = add(
        "#synthcohort",
        "SoftwareApplication",
        name="synthcohort",
        version=environment["packages"].get("synthcohort", ""),
        softwareVersion=environment["git"] or environment["packages"].get("synthcohort", ""),
    )
    main = made.add_workflow(
        folder / "workflow/Snakefile",
        "workflow/Snakefile",
        main=True,
        lang="snakemake",
        lang_version=environment["packages"].get("snakemake", ""),
        properties={
            "name": "synthcohort",
            "encodingFormat": "text/plain",
            "license": "https://spdx.org/licenses/MIT",
        },
    )
    main["hasPart"] = tool
    for path in sorted((folder / "workflow/rules").glob("*.smk")):
        about = {"name": path.name, "encodingFormat": "text/plain"}
        made.add_file(path, f"workflow/rules/{path.name}", properties=about)
    told = {
        "settings.json": ("input", "The settings, without paths.", "application/json"),
        "packages.json": ("", "The versions of Python and its packages.", "application/json"),
        "results.json": ("output", "The evaluation and the audit.", "application/json"),
        "SHA256SUMS": ("output", "The checksums of the dataset's files.", "text/plain"),
    }
    for name, (role, description, kind) in told.items():
        about = {"name": name, "description": description, "encodingFormat": kind}
        file = made.add_file(folder / name, name, properties=about)
        if role:
            parameter = add(
                f"#parameter-{name}",
                "FormalParameter",
                name=name,
                additionalType="File",
                workExample=file,
                conformsTo={"@id": "https://bioschemas.org/profiles/FormalParameter/1.0-RELEASE"},
            )
            file["exampleOfWork"] = parameter
            main.append_to(role, parameter)


def _act(made: "ROCrate", stages: Sequence[dict]) -> None:
    """The run, and each stage of it."""
    from rocrate.model import ContextEntity

    def action(at: str, **properties: Any) -> None:
        kind = {"@type": "CreateAction"}
        found = made.add(ContextEntity(made, at, kind | properties))
        made.root_dataset.append_to("mentions", found)

    action(
        "#run",
        name="The run of the workflow",
        instrument=made.mainEntity,
        object=[{"@id": "settings.json"}, {"@id": "#real-images"}],
        result=[{"@id": "results.json"}, {"@id": "SHA256SUMS"}, {"@id": "#dataset"}],
        startTime=min(stage["start"] for stage in stages),
        endTime=max(stage["end"] for stage in stages),
        actionStatus=f"http://schema.org/{STATUS[all(stage['finished'] for stage in stages)]}",
    )
    for stage in sorted(stages, key=lambda stage: (stage["start"], stage["name"])):
        environment = stage["environment"]
        hardware = [environment[key] for key in ("cpu", "gpu") if environment[key]]
        action(
            f"#stage-{stage['name']}",
            name=f"The stage {stage['name']}",
            description=f"Ran on {', '.join(hardware) or 'unknown hardware'}.",
            instrument={"@id": "#synthcohort"},
            object={"@id": "settings.json"},
            startTime=stage["start"],
            endTime=stage["end"],
            actionStatus=f"http://schema.org/{STATUS[stage['finished']]}",
        )
