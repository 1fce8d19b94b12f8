"""How long the stages of a plan take, and how long trainings may be that a time is to hold."""

from dataclasses import dataclass, replace

from synthcohort.config import Autoencoder, Diffusion, Sampling
from synthcohort.errors import UserError
from synthcohort.planning import rule
from synthcohort.planning.trials import AutoencoderCost, DenoiserCost
from synthcohort.samples import plan
from synthcohort.training.loop import VALIDATIONS

_SNAKEMAKE = 3
"""What Snakemake takes for its own start and between five jobs, and what lists the shards, in
starts of a stage: in the demo on two idle cores 5 seconds, 2 or 3 a job, and 5 a start."""


@dataclass(frozen=True)
class Around:
    """What there is to do around the trainings."""

    train: int
    """Train images."""
    held_out: int
    """Images that the autoencoder is measured on."""
    images: int
    """All images."""
    start: float
    """Seconds until a stage has imported what it needs."""
    at_once: int
    """How many jobs draw samples at a time."""


@dataclass(frozen=True)
class Systems:
    """The three sections of a plan, and what the networks in it cost."""

    autoencoder: Autoencoder
    diffusion: Diffusion
    sampling: Sampling
    autoencoder_cost: AutoencoderCost
    denoiser_cost: DenoiserCost

    @property
    def steps(self) -> dict[str, float]:
        """Seconds of an image in each training."""
        return {"autoencoder": self.autoencoder_cost.step, "diffusion": self.denoiser_cost.step}

    @property
    def lengths(self) -> dict[str, int]:
        """Images that each training sees."""
        return {"autoencoder": self.autoencoder.images, "diffusion": self.diffusion.images}


def seconds(planned: Systems, around: Around) -> dict[str, float]:
    """Seconds of every stage, by name, and of what is between them."""
    fixed, steps = _around(planned, around), planned.steps
    trained = {name: images * steps[name] for name, images in planned.lengths.items()}
    return fixed | {name: fixed[name] + taken for name, taken in trained.items()}


def fitted(planned: Systems, around: Around, budget: float) -> Systems:
    """The same with trainings of a length that all stages together take `budget` seconds.

    Raises:
        UserError: that leaves no training worth the name.
    """
    fixed = sum(_around(planned, around).values())
    shares = {"autoencoder": rule.AUTOENCODER_SHARE, "diffusion": 1 - rule.AUTOENCODER_SHARE}
    steps = planned.steps
    images = {name: int((budget - fixed) * shares[name] / steps[name]) for name in shares}
    if min(images.values()) < rule.LEAST_IMAGES:
        least = fixed + max(rule.LEAST_IMAGES * steps[name] / shares[name] for name in shares)
        raise UserError(
            f"{_time(budget)} are too few here: starting the stages, encoding "
            f"{around.images:,} images and drawing {plan.total(planned.sampling):,} samples take "
            f"{_time(fixed)}, and what is left trains next to nothing. Give at least "
            f"{_minutes(1.02 * least, up=True)} minutes, or ask for fewer samples "
            "(sampling.images)"
        )
    parts = {
        name: rule.of_length(getattr(planned, name), _rounded(count))
        for name, count in images.items()
    }
    return replace(planned, **parts)


def _around(planned: Systems, around: Around) -> dict[str, float]:
    """The seconds of a plan whose trainings have no step."""
    autoencoder, denoiser = planned.autoencoder_cost, planned.denoiser_cost
    sampling, start = planned.sampling, around.start
    passes = sampling.steps + sampling.guided_steps(planned.diffusion.steps)
    an_image = passes * denoiser.walk + denoiser.decode
    shards, left = divmod(plan.total(sampling), sampling.shard)
    # A shard is a job, and a batch that is not full is filled up.
    jobs = [
        start + -(-images // sampling.batch) * sampling.batch * an_image
        for images in [*[sampling.shard] * shards, *([left] if left else [])]
    ]
    return {
        "autoencoder": start
        + VALIDATIONS * autoencoder.validation
        + around.train * autoencoder.encode,
        "encode": start
        + around.images * autoencoder.encode
        + around.held_out * autoencoder.reconstruct,
        "diffusion": start + VALIDATIONS * denoiser.validation,
        "sampling": max(max(jobs), sum(jobs) / around.at_once),
        "Snakemake": _SNAKEMAKE * start,
    }


def _time(seconds: float) -> str:
    return f"{seconds:.2g} seconds" if seconds < 60 else f"{_minutes(seconds)} minutes"


def _minutes(seconds: float, up: bool = False) -> str:
    tenths = seconds / 6
    return f"{(-(-tenths // 1) if up else round(tenths)) / 10:g}"


def _rounded(images: int) -> int:
    """Three digits of it, the rest zeros: it is no more exact than that."""
    unit = 10 ** max(len(str(images)) - 3, 0)
    return images // unit * unit
