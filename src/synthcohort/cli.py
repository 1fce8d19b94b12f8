"""The command line: one subcommand a stage, nothing but argument passing.

Every rule of the workflow is one such command, so a line of a log can be pasted and run again.
"""

import argparse
import importlib
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort import __version__, config
from synthcohort.arguments import add_hardware, add_training, hardware, section
from synthcohort.errors import UserError
from synthcohort.generator import command
from synthcohort.hardware.cards import take
from synthcohort.hardware.variables import before_torch
from synthcohort.planning import asking
from synthcohort.stages import STAGES, Stage

if TYPE_CHECKING:
    pass


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one subcommand; a UserError is printed without a traceback and exits with code 1."""
    parser = _parser()
    given = parser.parse_args(arguments)
    given.arguments = sys.argv[1:] if arguments is None else arguments
    try:
        given.run(given)
    except UserError as error:
        print(f"synthcohort {given.command}: {error}", file=sys.stderr)
        sys.exit(1)
    except KeyboardInterrupt:
        sys.exit(130)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="synthcohort",
        description="From a cohort of images to a synthetic dataset and the evidence for it. "
        "Each command is one stage; `snakemake` runs them all in order.",
    )
    parser.add_argument("--version", action="version", version=f"synthcohort {__version__}")
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")
    for name, stage in STAGES.items():
        about = {"help": stage.help, "description": stage.help, "epilog": stage.epilog}
        _add_stage(commands.add_parser(name, **about), name, stage)

    summary = commands.add_parser("summary", help="print the table of a system's results")
    summary.add_argument("--results", type=Path, required=True, help="results/<name>")
    summary.add_argument("--markdown", action="store_true", help="the table as Markdown")
    summary.set_defaults(run=_summary)

    compare = commands.add_parser("compare", help="write the table over all systems that have run")
    compare.add_argument("--results", type=Path, default=Path("results"), help="their folder")
    compare.add_argument("--markdown", action="store_true", help="print the table as Markdown")
    compare.set_defaults(run=_compare)

    doctor = commands.add_parser(
        "doctor",
        help="look at this machine before anything runs",
        description="Look at GPU, driver, compiler, disk, folders, MLflow and SLURM, and say of "
        "each whether it is ok and what to do where not; exit with code 1 where a stage would "
        "fail.",
    )
    doctor.add_argument("--configfile", type=Path, help="a system: its source, disk and network")
    doctor.add_argument("--results", type=Path, default=Path("results"), help="their folder")
    add_hardware(doctor)
    doctor.set_defaults(run=_doctor)

    plan = commands.add_parser("plan", help="say what to write for the time that you have")
    asking.add_arguments(plan)
    add_hardware(plan)
    plan.set_defaults(run=lambda given: asking.run(given, hardware(given)))

    verify = commands.add_parser(
        "verify",
        help="check an exported dataset, also where there is nothing else of the run",
        description="Hold all files of an exported dataset against its checksums, and images, "
        "labels, card and figures against each other; say who made it from what. Exit with code 1 "
        "where something is not as it should be.",
    )
    verify.add_argument("folder", type=Path, help="the exported folder, or a copy of it")
    verify.set_defaults(run=_verify)

    publish = commands.add_parser("publish", help="bring MLflow up to the journals of a system")
    publish.add_argument("--system", required=True, metavar="JSON", help="the whole configuration")
    publish.add_argument("--journals", type=Path, nargs="+", required=True)
    publish.add_argument("--artifacts", type=Path, nargs="*", default=[])
    publish.add_argument("--out", type=Path, help="where to write the MLflow run id")
    publish.set_defaults(run=_publish)

    discard = commands.add_parser(
        "discard-damaged",
        help="remove the shards that do not have their checksum",
        description="Remove the shards of synthetic images that do not have their checksum, and "
        "the table: the next run of snakemake makes these shards anew and no other.",
    )
    discard.add_argument(
        "--samples", type=Path, required=True, help="results/<name>/samples/shards.csv"
    )
    discard.set_defaults(run=_discard_damaged)

    generate = commands.add_parser("generate", help="draw new images from a trained model")
    command.add_arguments(generate)
    add_hardware(generate)
    generate.set_defaults(run=lambda given: command.run(given, hardware(given)))

    ui = commands.add_parser("ui", help="open the MLflow UI on what has run")
    ui.add_argument("--port", type=int, default=5000)
    ui.set_defaults(run=_ui)
    return parser


def _add_stage(parser: argparse.ArgumentParser, name: str, stage: Stage) -> None:
    for key in stage.settings:
        parser.add_argument(f"--{key}", required=True, metavar="JSON", help="from the config file")
    for key in stage.paths.split():
        parser.add_argument(f"--{key}", type=Path, required=True)
    for key in stage.optional.split():
        parser.add_argument(f"--{key}", type=Path)
    for key in stage.lists.split():
        parser.add_argument(f"--{key}", type=Path, nargs="+", required=True)
    for key in stage.names.split():
        parser.add_argument(f"--{key}", nargs="+", required=True)
    for key, kind in stage.words.items():
        parser.add_argument(f"--{key}", type=kind, required=True)
    if stage.seed:
        parser.add_argument("--seed", type=int, required=True)
    if stage.hardware:
        add_hardware(parser)
        own = "GPUs to take for itself, of those that no other command has; 0: cuda:0, taken or not"
        parser.add_argument("--gpus", type=int, default=0, metavar="N", help=own)
    if stage.several or stage.training:
        several = "processes that share the work, one a GPU, as torchrun starts them"
        parser.add_argument("--processes", type=int, default=1, metavar="N", help=several)
    if stage.training:
        add_training(parser)
    parser.add_argument("--journal", type=Path, help="where to keep the record of this run")
    parser.set_defaults(run=lambda given: _run(name, stage, given))


def _run(name: str, stage: Stage, given: argparse.Namespace) -> None:
    from synthcohort.files import sha256
    from synthcohort.samples.listing import listed
    from synthcohort.tracking.journal import Journal
    from synthcohort.tracking.live import follow

    if stage.hardware:
        before_torch()
        take(given.gpus, given.device)
    worker = "LOCAL_RANK" in os.environ  # torchrun sets it
    launches = (stage.several or stage.training) and given.processes > 1 and not worker
    if launches and stage.training:
        _launch(given)
        return
    if worker and (stage.several or os.environ["RANK"] != "0"):
        given.journal = None  # one process writes for all: the first, or who started them
    words = [*stage.names.split(), *stage.words]
    keys = [*stage.paths.split(), *stage.optional.split(), *stage.lists.split(), *words]
    handed = {key: getattr(given, key) for key in keys}
    for key, kind in stage.settings.items():
        handed[key] = section(kind, getattr(given, key), f"--{key}")
    record = {key: handed[key].model_dump(mode="json") for key in stage.settings}
    if stage.seed:
        handed["seed"] = record["seed"] = given.seed
    if stage.hardware:
        handed["hardware"] = hardware(given)
    record |= {key: handed[key] for key in words}
    split = handed.get("split")
    inputs = {str(split): sha256(split)} if split is not None else {}
    if "samples" in handed:
        handed["samples"] = listed(handed["samples"])
    # A publisher costs what mlflow's import does: only a training is worth being looked at before
    # the publication at the end.
    live = follow(given.journal if stage.training else None)
    with live, Journal(given.journal, _stage_name(given), record, inputs) as open_:
        if launches:
            _launch(given)  # what is left to do afterwards is to put their work together
        module, function = stage.function.split(":")
        getattr(importlib.import_module(f"synthcohort.{module}"), function)(**handed, journal=open_)


def _launch(given: argparse.Namespace) -> None:
    from synthcohort.hardware.launch import launch

    launch(given.processes, given.arguments)


def _stage_name(given: argparse.Namespace) -> str:
    # The journal's file tells shards and metrics of one stage apart.
    return given.journal.stem if given.journal else given.command


def _summary(given: argparse.Namespace) -> None:
    from synthcohort.results.summary import summary

    print(summary(given.results, given.markdown))


def _compare(given: argparse.Namespace) -> None:
    from synthcohort.report.comparison import compare

    print(compare(given.results, given.markdown))


def _doctor(given: argparse.Namespace) -> None:
    before_torch()
    from synthcohort.doctor.examination import examine

    bad = 0
    for finding in examine(hardware(given), given.results, given.configfile):
        print(finding, flush=True)
        bad += finding.state == "bad"
    if bad:
        sys.exit(1)


def _verify(given: argparse.Namespace) -> None:
    from synthcohort.export.verify import verify

    told, faults = verify(given.folder)
    print("\n".join(told))
    for fault in faults:
        print(f"- {fault}", file=sys.stderr)
    if faults:
        raise UserError(
            f"{given.folder}: faults: {len(faults)}, see above; get the dataset anew from its maker"
        )
    print(
        "All files have their checksums, and images, labels, card and figures agree. Who can write "
        "these sums can write them anew: compare the hashes above with the maker's."
    )


def _publish(given: argparse.Namespace) -> None:
    from synthcohort.files import write_json
    from synthcohort.generator.publication import publish_run

    system = section(config.Config, given.system, "--system")
    stages = {name: stage.help for name, stage in STAGES.items()}
    run = publish_run(system, given.journals, artifacts=given.artifacts, stages=stages)
    if given.out:
        write_json(given.out, {"experiment": system.name, "run": run})


def _discard_damaged(given: argparse.Namespace) -> None:
    from synthcohort.samples.listing import discard_damaged

    damaged = discard_damaged(given.samples)
    for path in damaged:
        print(f"{path}: removed, it does not have the checksum in {given.samples}")
    print(
        f"{len(damaged)} damaged shards; run snakemake again, which makes them anew"
        if damaged
        else "every shard has its checksum"
    )


def _ui(given: argparse.Namespace) -> None:
    from synthcohort.tracking.ui import ui

    ui(given.port)
