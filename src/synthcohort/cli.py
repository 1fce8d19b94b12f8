"""The command line: one subcommand a stage, nothing but argument passing.

Every rule of the workflow is one such command, so a line of a log can be pasted and run again.
"""

import argparse
import importlib
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from pydantic import TypeAdapter, ValidationError

from synthcohort import __version__, config
from synthcohort.errors import UserError


@dataclass(frozen=True)
class Stage:
    """A subcommand: the function it calls and the keyword arguments it hands on."""

    function: str
    help: str
    settings: Mapping[str, type] = field(default_factory=dict)
    """Sections of the configuration, as JSON on the command line."""
    paths: str = ""
    lists: str = ""
    """One path or more each."""
    words: Mapping[str, type] = field(default_factory=dict)
    optional: str = ""
    """Paths that may be left out."""
    epilog: str = ""
    """What its --help says at the end."""
    seed: bool = True
    hardware: bool = False


STAGES = {
    "fetch": Stage(
        "cohort.fetch:fetch",
        "download or simulate the raw cohort",
        {"settings": config.Source},
        "out",
    ),
    "prepare": Stage(
        "cohort.prepare:prepare",
        "bring all images to one size and format",
        {"source": config.Source, "settings": config.Prepare},
        "out",
        optional="root",
        seed=False,
    ),
    "split": Stage(
        "cohort.split:split",
        "split by patient and look for leakage",
        {"settings": config.Split},
        "cohort out leakage figure",
    ),
    "autoencoder": Stage(
        "training.autoencoder:train_autoencoder",
        "train the autoencoder",
        {"settings": config.Autoencoder},
        "cohort split out curve checkpoints",
        hardware=True,
    ),
    "encode": Stage(
        "training.latents:encode",
        "cache the latents, measure the reconstruction",
        paths="cohort split autoencoder out measured figure",
        hardware=True,
    ),
    "diffusion": Stage(
        "training.diffusion:train_diffusion",
        "train the diffusion model",
        {"settings": config.Diffusion},
        "cohort split latents autoencoder out curve noising denoising animation checkpoints",
        hardware=True,
    ),
    "sample": Stage(
        "diffusion.sampling:sample",
        "draw one shard of synthetic images",
        {"settings": config.Sampling},
        "cohort split autoencoder diffusion out",
        words={"shard": int},
        hardware=True,
    ),
    "show-samples": Stage(
        "diffusion.figure:show_samples",
        "draw samples, alone and below real images",
        paths="cohort split figure comparison",
        lists="samples",
    ),
    "sets": Stage(
        "evaluation.sets:choose",
        "choose the images that are compared",
        {"settings": config.Evaluation},
        "cohort split out",
        lists="samples",
    ),
    "classifier": Stage(
        "evaluation.classifier:train_classifier",
        "train a small classifier on the real train split",
        {"settings": config.Evaluation},
        "cohort split out",
        hardware=True,
    ),
    "features": Stage(
        "evaluation.features:extract",
        "compute the features of the compared images",
        {"settings": config.Evaluation},
        "cohort split sets out",
        lists="samples",
        words={"extractor": str},
        optional="classifier autoencoder diffusion",
        hardware=True,
    ),
    "evaluate": Stage(
        "evaluation.evaluate:evaluate",
        "measure one metric and its floor",
        {"settings": config.Evaluation},
        "cohort split sets out figure",
        lists="samples",
        words={"metric": str},
        optional="features",
        hardware=True,
    ),
    "observer": Stage(
        "observer.page:make_page",
        "write the page on which people tell real from synthetic images",
        {"settings": config.Observer},
        "cohort split out",
        lists="samples",
    ),
    "observer-study": Stage(
        "observer.study:observer_study",
        "measure the answers that people gave on that page",
        epilog="Each reader opens results/<name>/observer/index.html, answers blinded and saves a "
        "CSV. Then: synthcohort observer-study --page results/<name>/observer --answers READER.csv "
        "... --out results/<name>/evaluation/observer.json --figure "
        "results/<name>/figures/observer.png --journal "
        "results/<name>/journal/observer-study.jsonl. To bring the study into the summary and "
        "MLflow: snakemake --cores 1 --configfile FILE --forcerun summary",
        paths="page out figure",
        lists="answers",
        seed=False,
    ),
    "audit": Stage(
        "audit:audit",
        "look for memorised images",
        {"settings": config.Audit},
        "cohort split latents autoencoder out pairs distances",
        lists="samples",
        hardware=True,
    ),
    "export": Stage(
        "export:export",
        "write the dataset, its card and checksums; refused where the audit failed",
        {"system": config.Config},
        "audit autoencoder diffusion grid embedding distances out",
        lists="samples results",
        seed=False,
    ),
}


def main(arguments: Sequence[str] | None = None) -> None:
    """Run one subcommand; a UserError is printed without a traceback and exits with code 1."""
    parser = _parser()
    given = parser.parse_args(arguments)
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

    publish = commands.add_parser("publish", help="bring MLflow up to the journals of a system")
    publish.add_argument("--system", required=True, metavar="JSON", help="the whole configuration")
    publish.add_argument("--journals", type=Path, nargs="+", required=True)
    publish.add_argument("--artifacts", type=Path, nargs="*", default=[])
    publish.add_argument("--out", type=Path, help="where to write the MLflow run id")
    publish.set_defaults(run=_publish)

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
    for key, kind in stage.words.items():
        parser.add_argument(f"--{key}", type=kind, required=True)
    if stage.seed:
        parser.add_argument("--seed", type=int, required=True)
    if stage.hardware:
        parser.add_argument("--device", default="auto", help="auto, cpu, cuda or cuda:N")
        parser.add_argument("--precision", default="auto", choices=["auto", "fp32", "bf16"])
        parser.add_argument("--compile", default="auto", choices=["auto", "on", "off"])
        parser.add_argument("--threads", type=int, default=0, help="CPU threads; 0: torch decides")
    parser.add_argument("--journal", type=Path, help="where to keep the record of this run")
    parser.set_defaults(run=lambda given: _run(name, stage, given))


def _run(name: str, stage: Stage, given: argparse.Namespace) -> None:
    from synthcohort.device import Hardware
    from synthcohort.files import sha256
    from synthcohort.tracking.journal import Journal
    from synthcohort.tracking.live import follow

    keys = [*stage.paths.split(), *stage.optional.split(), *stage.lists.split(), *stage.words]
    handed = {key: getattr(given, key) for key in keys}
    for key, kind in stage.settings.items():
        handed[key] = _section(kind, getattr(given, key), f"--{key}")
    record = {key: handed[key].model_dump(mode="json") for key in stage.settings}
    if stage.seed:
        handed["seed"] = record["seed"] = given.seed
    if stage.hardware:
        handed["hardware"] = Hardware(given.device, given.precision, given.threads, given.compile)
    record |= {key: handed[key] for key in stage.words}
    split = handed.get("split")
    inputs = {str(split): sha256(split)} if split is not None else {}
    with follow(given.journal), Journal(given.journal, _stage_name(given), record, inputs) as open_:
        module, function = stage.function.split(":")
        getattr(importlib.import_module(f"synthcohort.{module}"), function)(**handed, journal=open_)


def _stage_name(given: argparse.Namespace) -> str:
    # The journal's file tells shards and metrics of one stage apart.
    return given.journal.stem if given.journal else given.command


def _section(kind: type, text: str, option: str) -> object:
    try:
        return TypeAdapter(kind).validate_json(text)
    except ValidationError as error:
        raise UserError(f"{option}: {error}") from None


def _summary(given: argparse.Namespace) -> None:
    from synthcohort.summary import summary

    print(summary(given.results, given.markdown))


def _publish(given: argparse.Namespace) -> None:
    from synthcohort.files import digest, write_json
    from synthcohort.tracking.publish import publish

    system = _section(config.Config, given.system, "--system")
    values = system.model_dump(mode="json")
    run = publish(
        given.journals,
        experiment=system.name,
        run_key=digest(values),
        config=values,
        artifacts=given.artifacts,
    )
    if given.out:
        write_json(given.out, {"experiment": system.name, "run": run})


def _ui(given: argparse.Namespace) -> None:
    from synthcohort.tracking.ui import ui

    ui(given.port)
