"""What the autoencoder alone costs: how many floors away real images are once they have gone
through it, before a diffusion model has drawn anything.

Both distances are of the same train images from the same test images, decoded and as they are (the
floor), so that who these happen to be mostly cancels. With few images a floor is mostly chance,
and the ratio nearer to 1 than it would be with many: it is not overstated. An autoencoder that
had learnt its train images by heart would look better here than it is; PSNR and SSIM, which stand
beside it, are of validation images.
"""

from collections.abc import Mapping

import numpy as np

from synthcohort.numerics.resampling import jackknife_interval

MOST = 1.5
"""Floors that the autoencoder alone may cost before something is said of it."""
REMEDY = (
    "What it loses no diffusion model brings back, so change it first: more autoencoder.images, "
    "more autoencoder.latent_channels (which give the diffusion model more to learn), wider "
    "autoencoder.channels, an autoencoder.adversarial_weight, or autoencoder.network: kl."
)


def figure(
    decoded: tuple[Mapping, tuple[np.ndarray, np.ndarray]],
    floor: tuple[Mapping, tuple[np.ndarray, np.ndarray]],
) -> dict:
    """The first distance ({"value", "interval"}) held against the second: with its "floor",
    "difference_to_floor" and "over_floor", the ratio, whose interval is the jackknife's of its
    logarithm (None where a distance is not above 0, as between equal images).

    Each comes with its values without every group of test and of train patients, the same groups
    of both distances, so that the intervals are paired.
    """
    (of, without), (real, without_real) = decoded, floor
    pairs = list(zip(without, without_real, strict=True))
    difference = of["value"] - real["value"]
    interval = jackknife_interval(difference, *(one - other for one, other in pairs))
    found = {
        "value": of["value"],
        "interval": of["interval"],
        "floor": real,
        "difference_to_floor": {"value": difference, "interval": interval},
        "over_floor": None,
    }
    every = np.concatenate([*without, *without_real, [of["value"], real["value"]]])
    if every.min() > 0:
        ratio = float(np.log(of["value"] / real["value"]))
        ends = jackknife_interval(ratio, *(np.log(one / other) for one, other in pairs))
        found["over_floor"] = {
            "value": float(np.exp(ratio)),
            "interval": np.exp(ends).tolist(),
        }
    return found


def certain(found: Mapping) -> bool:
    """Whether a `figure` is more than MOST floors for certain."""
    ratio = found.get("over_floor")
    return bool(ratio) and not found.get("cannot_tell") and ratio["interval"][0] > MOST


def sentence(found: Mapping) -> str:
    """How many floors a `figure` is, in words; "" where that is not known."""
    ratio = found.get("over_floor")
    if not ratio or found.get("cannot_tell"):
        return ""
    if certain(found):
        return f"{_told(ratio)}, more than {MOST} for certain."
    if ratio["interval"][1] > MOST:
        return f"{_told(ratio)}; whether it is more than {MOST} more images would tell."
    return f"{_told(ratio)}."


def warning(found: Mapping[str, Mapping]) -> str:
    """What is to be said first of `figure`s, by what each is measured in; "" where none of them is
    more than MOST floors for certain."""
    beyond = [f"{_told(of['over_floor'])} ({name})" for name, of in found.items() if certain(of)]
    if not beyond:
        return ""
    return (
        f"The autoencoder alone takes real images {' and '.join(beyond)} away from real test "
        f"images, more than {MOST} for certain. {REMEDY}"
    )


def _told(ratio: Mapping) -> str:
    low, high = ratio["interval"]
    return f"{ratio['value']:.3g} floors [{low:.3g}, {high:.3g}]"
