"""What MLflow shows first of a run: the figures that decide, the audit, and descriptions."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from synthcohort import sources
from synthcohort.config import Config
from synthcohort.files import read_json, sha256
from synthcohort.report.comparison import COLUMNS, cells, verdict
from synthcohort.results import summary
from synthcohort.results.readings import readings
from synthcohort.tracking.attempts import Attempt
from synthcohort.tracking.publish import Told

# In the order in which a reader decides; the table of runs has them in this order.
VIEW = (
    "attributes.`Models`",
    "tags.`audit`",
    "metrics.`fid_over_floor`",
    "metrics.`utility_over_floor`",
    "metrics.`real_or_synthetic`",
    "metrics.`memorised_share`",
    "metrics.`membership`",
    "metrics.`minutes`",
    "tags.`device`",
    "tags.`system`",
)


def headline(
    system: Config, results: Path, latest: Sequence[Attempt], stages: Mapping[str, str]
) -> tuple[Told, dict[str, float]]:
    """What is told of the run in the folder results/<name>, as far as it has come, and all its
    figures, floors included; `latest` is the latest attempt at each stage, `stages` what each
    does."""
    minutes = sum(attempt.seconds for attempt in latest) / 60
    devices = {
        attempt.hardware.get("gpu", attempt.hardware["device"])
        for attempt in latest
        if "device" in attempt.hardware
    }
    tags = {"system": system.name, "device": ", ".join(sorted(devices)) or "not known yet"}
    columns = {"minutes": round(minutes, 1)}
    audit = results / "audit.json"
    told = read_json(audit) if audit.exists() else None
    if told is None or "outcome" not in told:
        told, audit = None, None
    tags["audit"] = verdict(results / "audit.json")
    lines = summary.entries(summary.measured(results), audit)
    if told:
        tags |= {
            f"gate.{gate['name']}": f"{gate['outcome']}: {gate['why']}" for gate in told["gates"]
        }
    read = readings(lines, told)
    for column in COLUMNS:
        entry = next((line for line in lines if line["metric"] == column.metric), None)
        if entry is None or entry["value"] is None:
            continue
        columns[column.metric] = entry["value"]
        floor = (entry.get("floor") or {}).get("value")
        if column.ratio and floor and floor > 0:
            columns[f"{column.metric}_over_floor"] = entry["value"] / floor
    for line in lines:
        if line.get("over_floor"):
            columns[f"{line['metric']}_over_floor"] = line["over_floor"]["value"]
    table = "".join(
        f"| {cell.title} | {cell.value} | {cell.beside} | {cell.mark.sign} {cell.mark.words} |\n"
        for cell in cells(read)
    )
    first = f"**Audit: {summary.verdict(results / 'audit.json')}**\n"
    if warned := summary.warning(lines):
        first += f"\n**Warning: {warned}**\n"
    note = f"""{first}
{system.export.title}: from {_source(system)}, in {minutes:.0f} minutes of all stages together, on
{tags["device"]}.

| Figure | Value | | Reading |
|---|---:|---|---|
{table}
A stage is a run of its own below this one. The dataset is in `results/{system.name}/export/`; the
report page and its card are artifacts of this run.
"""
    told_of = Told(
        experiment=_of_experiment(system),
        run=note,
        stages=stages,
        columns=columns,
        tags=tags,
        view=VIEW,
        datasets=_dataset(system, results, latest),
    )
    return told_of, _figures(lines)


def _of_experiment(system: Config) -> str:
    return f"""Runs of the system **{system.name}**: {system.export.title}, from {_source(system)}.

A run is the whole way from real images to a synthetic dataset under one configuration; below it is
a run for every stage. The view “Figures that decide” has the columns to begin with: the tag `audit`
says whether the dataset could be handed on, `_over_floor` is a figure over that of real images
against other real images, so that 1 is as good as real.
"""


def _dataset(
    system: Config, results: Path, latest: Sequence[Attempt]
) -> list[tuple[str, str, dict[str, Any], dict[str, Any]]]:
    """The real images as MLflow's dataset: name, sha256, source, profile; none where they have not
    been prepared yet."""
    manifest = results / "cohort/manifest.csv"
    if not manifest.exists():
        return []
    terms = sources.terms(system.source)
    source = {"kind": system.source.kind, "of": terms.source, "terms": terms.name}
    source["uri"] = (results / "cohort").as_posix()
    counted = {
        f"{attempt.stage}/{name}": int(value)
        for attempt in latest
        if attempt.stage in ("prepare", "split")
        for name, value, *_ in attempt.results
    }
    profile = {"num_rows": counted.pop("prepare/images", 0)}
    profile |= {name.partition("/")[2]: value for name, value in counted.items()}
    return [(f"{system.name}: real images", sha256(manifest), source, profile)]


def _source(system: Config) -> str:
    return sources.terms(system.source).source


def _figures(lines: Sequence[Mapping[str, Any]]) -> dict[str, float]:
    found = {}
    for line in lines:
        name, value = line["metric"], line["value"]
        if isinstance(value, int | float):
            found[name] = float(value)
            floor = (line.get("floor") or {}).get("value")
            if isinstance(floor, int | float):
                found[f"{name}_floor"] = float(floor)
    return found
