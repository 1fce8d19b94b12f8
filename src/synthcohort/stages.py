"""Every stage that is one command: the function it calls and the arguments it hands on."""

from collections.abc import Mapping
from dataclasses import dataclass, field

from synthcohort import config


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
    names: str = ""
    """One word or more each."""
    optional: str = ""
    """Paths that may be left out."""
    epilog: str = ""
    """What its --help says at the end."""
    seed: bool = True
    hardware: bool = False
    several: bool = False
    """Whether several processes can share it, one a GPU."""
    training: bool = False
    """Whether it is a training: several processes share every batch, and several runs its time."""


# Folders of the run that some extractors and metrics need.
MODELS = "classifier autoencoder diffusion latents"

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
        "cohort out leakage pairs drawn",
    ),
    "draw-cohort": Stage(
        "cohort.overview:draw_cohort",
        "draw train images and the sizes of the splits",
        paths="cohort split out",
    ),
    "autoencoder": Stage(
        "training.autoencoder:train_autoencoder",
        "train the autoencoder",
        {"settings": config.Autoencoder},
        "cohort split out history checkpoints",
        hardware=True,
        training=True,
    ),
    "encode": Stage(
        "latents.encode:encode",
        "cache the latents, measure the reconstruction",
        paths="cohort split autoencoder out measured arrays",
        hardware=True,
    ),
    "draw-autoencoder": Stage(
        "training.draw_autoencoder:draw_autoencoder",
        "draw the autoencoder's training and reconstructions",
        {"settings": config.Autoencoder},
        "history arrays figures",
        seed=False,
    ),
    "diffusion": Stage(
        "training.diffusion:train_diffusion",
        "train the diffusion model",
        {"settings": config.Diffusion},
        "cohort split latents autoencoder out history snapshots checkpoints",
        hardware=True,
        training=True,
    ),
    "draw-diffusion": Stage(
        "training.draw_diffusion:draw_diffusion",
        "draw the diffusion model's training, noising and denoising",
        paths="cohort split latents autoencoder diffusion history snapshots figures",
        hardware=True,
    ),
    "sample": Stage(
        "samples.sample:sample",
        "draw a part of the shards of synthetic images, those that are not there",
        {"settings": config.Sampling},
        "cohort split autoencoder diffusion out",
        words={"part": int, "parts": int},
        hardware=True,
        several=True,
    ),
    "gather": Stage(
        "samples.listing:gather",
        "read every shard and list it with its checksum",
        paths="folder out",
        words={"shards": int},
        seed=False,
    ),
    "show-samples": Stage(
        "samples.grids:show_samples",
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
    "decode-sets": Stage(
        "evaluation.decoded:decode_sets",
        "put the compared train images through the autoencoder",
        paths="cohort split sets autoencoder out",
        seed=False,
        hardware=True,
    ),
    "classifier": Stage(
        "evaluation.networks.label_classifier:train_classifier",
        "train a small classifier on the real train split",
        {"settings": config.Evaluation},
        "cohort split out",
        hardware=True,
    ),
    "features-ahead": Stage(
        "evaluation.features:ahead",
        "compute the features of the real images that samples will be compared with",
        {"settings": config.Evaluation},
        "cohort split out",
        words={"extractor": str},
        hardware=True,
    ),
    "features": Stage(
        "evaluation.features:extract",
        "compute the features of the compared images",
        {"settings": config.Evaluation},
        "cohort split sets out",
        lists="samples",
        words={"extractor": str},
        optional=f"decoded ahead {MODELS}",
        hardware=True,
    ),
    "evaluate": Stage(
        "evaluation.evaluate:evaluate",
        "measure metrics and their floors",
        {"settings": config.Evaluation},
        "cohort split sets out",
        lists="samples",
        names="metric",
        optional=f"features beside decoded {MODELS}",
        hardware=True,
    ),
    "guidance": Stage(
        "evaluation.guidance.scales:guidance",
        "compare guidance scales",
        {"settings": config.Evaluation, "sampling": config.Sampling},
        "cohort split classifier autoencoder diffusion out",
        hardware=True,
    ),
    "measure-again": Stage(
        "evaluation.again:measure_again",
        "measure the headline figures of a diffusion model trained again",
        {"settings": config.Evaluation, "sampling": config.Sampling},
        "cohort split sets classifier autoencoder diffusion latents drawn out",
        lists="samples features",
        words={"training": int},
        hardware=True,
    ),
    "training-seeds": Stage(
        "evaluation.training_seeds:gather",
        "gather the headline figures of all trainings",
        paths="out",
        lists="first again",
        seed=False,
    ),
    "draw-evaluation": Stage(
        "evaluation.draw:draw_evaluation",
        "draw the figures of what has been measured",
        paths="out",
        lists="results",
        seed=False,
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
        "results/<name>/journal/observer-study.jsonl. To bring the study into the report and "
        "MLflow: snakemake --cores 1 --configfile FILE --forcerun summary report_page",
        paths="page out figure",
        lists="answers",
        seed=False,
    ),
    "calibrate": Stage(
        "audit.calibration:calibrate",
        "try the search for copies on unseen patients and planted leaks",
        {"settings": config.Audit},
        "cohort split latents autoencoder out",
        hardware=True,
    ),
    "search": Stage(
        "audit.search:search",
        "look for copies of train images among the samples",
        {"settings": config.Audit},
        "cohort split latents autoencoder calibration out arrays",
        lists="samples",
        hardware=True,
    ),
    "draw-audit": Stage(
        "audit.figures:draw_audit",
        "draw the nearest pairs, the distances and the planted leaks of the search",
        paths="search arrays pairs distances planted",
        seed=False,
    ),
    "audit": Stage(
        "audit:audit",
        "hold all results against the gates",
        {"settings": config.Audit},
        "search out",
        lists="results",
        seed=False,
    ),
    "export": Stage(
        "export:export",
        "write the dataset, its card and checksums; refused where the audit failed",
        {"system": config.Config},
        "audit autoencoder diffusion grid embedding distances out",
        lists="samples results",
        seed=False,
    ),
    "model": Stage(
        "generator.writing:write_model",
        "write the model's folder, which can be handed on and drawn from",
        {"system": config.Config},
        "cohort split autoencoder diffusion audit out",
        lists="results",
        seed=False,
    ),
    "report": Stage(
        "report:report",
        "write the page that shows a system's results",
        {"system": config.Config},
        "results out",
        lists="captions",
        seed=False,
    ),
    "crate": Stage(
        "tracking.crate:crate",
        "write the record of the run as an RO-Crate",
        {"system": config.Config},
        "export out",
        lists="workflow journals",
        seed=False,
    ),
}
