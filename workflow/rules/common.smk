import json
import os
import re
from pathlib import Path

from snakemake.exceptions import WorkflowError
from synthcohort import config as synthcohort_config
from synthcohort import sources
from synthcohort.samples import listing, plan
from synthcohort.evaluation import extractors, metrics, training_seeds
from synthcohort.evaluation.draw import captions
from synthcohort.errors import UserError
from synthcohort.files import digest, sha256
from synthcohort.hardware.variables import training_threads
from synthcohort.models import start_folder
from synthcohort.results.registry import check_gates
from synthcohort.seeds import derive

try:
    for written in workflow.configfiles:
        synthcohort_config.require_unequivocal(written)
    SYSTEM = synthcohort_config.check(config)
    check_gates(SYSTEM.audit)
except UserError as error:
    several = ", ".join(map(str, workflow.configfiles[1:]))
    hint = f"\n{several} was read as configuration, too; a target goes before --configfile"
    raise WorkflowError(str(error) + (hint if several else ""))

# A workflow that imports this one says with Snakemake's pathvars where its results and logs go.
ROOT = workflow.pathvars.apply("<results>")
RESULTS = f"{ROOT}/{SYSTEM.name}"
# Logs are removed before a rule is tried again. Journals must outlive that, so to Snakemake they
# are parameters, neither logs nor outputs.
LOGS = f"{workflow.pathvars.apply('<logs>')}/{SYSTEM.name}"
SHARDS = plan.shards(SYSTEM.sampling)
FETCHES = sources.fetches(SYSTEM.source)
# Where `prepare` reads from or keeps what only the source knows; a dot, so that it is no system's.
SOURCE_ROOT = f"{ROOT}/.private" if sources.keeps_private(SYSTEM.source) else ""
SOURCE_ROOT = f"{RESULTS}/raw" if FETCHES else SOURCE_ROOT

# The captions that the page of results needs too. Where the workflow is a module of another one,
# its files may lie in a repository; Snakemake brings them.
CAPTIONS = [
    workflow.source_path(f"../captions/{name}.rst")
    for name in (
        *("cohort", "near-duplicates", "autoencoder-training", "reconstructions"),
        *("diffusion-training", "noising", "denoising", "snapshots", "samples"),
        *("real-and-synthetic", "nearest-pairs", "distances", "planted"),
    )
]

METRICS = metrics.names(SYSTEM.evaluation)
TRAININGS = ["training_seeds"] if SYSTEM.training_seeds > 1 else []
DRAWN = [*METRICS, "guidance", *TRAININGS]
RESULT_FILES = expand(
    f"{RESULTS}/evaluation/{{name}}.json", name=["autoencoder", *METRICS, *TRAININGS]
)
MODELS = {
    "classifier": f"{RESULTS}/evaluation/classifier",
    "autoencoder": f"{RESULTS}/autoencoder",
    "diffusion": f"{RESULTS}/diffusion",
    "latents": f"{RESULTS}/latents",
}
# Where the diffusion model works on the pixels, real images have nothing to go through.
DECODED = [] if SYSTEM.autoencoder.network == "none" else [f"{RESULTS}/evaluation/decoded.npy"]
DECODED_OPTION = f"--decoded {DECODED[0]}" if DECODED else ""

# The stages publish themselves to MLflow under these names while they run.
os.environ.update(
    SYNTHCOHORT_EXPERIMENT=SYSTEM.name,
    SYNTHCOHORT_RUN=digest(SYSTEM.model_dump(mode="json")),
)
# Compiled networks outlive the job that compiled them.
os.environ.setdefault("SYNTHCOHORT_COMPILED", str(Path(f"{ROOT}/.compiled").absolute()))
if ROOT != "results":
    os.environ.setdefault("MLFLOW_TRACKING_URI", f"sqlite:///{Path(ROOT).absolute()}/mlflow.db")


def as_json(section):
    """A section of the settings as the command line takes it; a change in it re-runs the rule."""
    text = json.dumps(section.model_dump(mode="json"), sort_keys=True)
    # To Snakemake a word in braces is a wildcard. JSON's own braces stand before quotes or braces;
    # any other one is in a text, where it may be written as its number.
    return re.sub(r'\{(?!["}])', r"\\u007b", text)


def paths_of(models):
    """Where the models of these names are."""
    return [MODELS[name] for name in models]


def options_of(models):
    """The same as options of the command line."""
    return " ".join(f"--{name} {MODELS[name]}" for name in models)


def start_files(part):
    """The files of the weights that a training starts from."""
    start = getattr(SYSTEM, part).start
    try:
        files = start_folder.files(start, part)
    except UserError as error:
        raise WorkflowError(str(error))
    if any(path.resolve().is_relative_to(Path(RESULTS).resolve()) for path in files):
        raise WorkflowError(
            f"{part}.start.folder: {start.folder} is in {RESULTS}, which this run is going"
            " to write; copy the whole folder, or its model/, elsewhere, or give this system another"
            " name"
        )
    return files


def content_of(files):
    """What decides whether the training runs again, and not the files' times. No function of the
    job's input: Snakemake does not look whether what such a one gives has changed."""
    return lambda wildcards: digest([sha256(path) for path in files])


FIRST_WEIGHTS = {part: start_files(part) for part in ("autoencoder", "diffusion")}

SYSTEM_JSON = as_json(SYSTEM)


# How many jobs draw the shards: one each, or as a profile says (set-scatter).
scattergather:
    sample=SHARDS,


PARTS = min(len(gather.sample("{scatteritem}")), SHARDS)
if workflow.is_main_process:
    listing.discard_unfounded(Path(RESULTS) / "samples")


wildcard_constraints:
    part=r"\d{5}",
    training=r"\d+",
    extractor="|".join(extractors.names()),
