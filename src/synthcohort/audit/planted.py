"""Planted leaks: train images of this very cohort, disguised, as this audit would have met them.

Each disguise is put on some train images, which then go through the run's autoencoder once, as
every synthetic image has, and are looked for in every way that synthetic images are. What is found
of them is what this audit would have found; the share of real images of unseen patients that is
taken for copies is what that costs.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import numpy as np

from synthcohort.audit import disguises
from synthcohort.cohort import Cohort
from synthcohort.seeds import derive

LATENT_NOISE = 0.5
IN_LATENT = "noise in the latent"
LATENTS = "latents"
BLOCK = 256


def names() -> list[str]:
    """The disguises of the table, in its order."""
    return [*disguises.DISGUISES, IN_LATENT]


def chosen(data: Cohort, train: np.ndarray, count: int, seed: int) -> tuple[np.ndarray, np.ndarray]:
    """Rows of `count` train images (or all, where there are fewer), of as many patients as can be,
    and of as many others of other patients, which they are mixed with where there are any."""
    random = np.random.default_rng(seed)
    shuffled = random.permutation(train)
    patients = data.patients[shuffled]
    first = np.unique(patients, return_index=True)[1]
    # The first of each patient, in random order, before all that are not.
    later = np.ones(len(shuffled), dtype=bool)
    later[first] = False
    rows = shuffled[np.argsort(later, kind="stable")][:count]
    partners = []
    for row in rows:
        strange = shuffled[patients != data.patients[row]]
        partners.append(random.choice(strange if len(strange) else shuffled))
    return rows, np.array(partners, dtype=np.int64)


def plant(
    data: Cohort,
    train: np.ndarray,
    count: int,
    through: Callable[..., np.ndarray],
    path: Path,
    seed: int,
) -> np.ndarray:
    """`count` train images (or fewer, where there are not as many) in each of the `names`, one
    disguise after the other, put `through` the autoencoder: n×C×H×W, memory-mapped at `path`."""
    rows, others = chosen(data, train, count, derive(seed, "chosen"))
    shape = (len(rows) * len(names()), *data.images.shape[1:])
    made = np.lib.format.open_memmap(path, "w+", data.images.dtype, shape)
    for number, name in enumerate(names()):
        for start in range(0, len(rows), BLOCK):
            part = slice(start, start + BLOCK)
            pair = data.images[rows[part]], data.images[others[part]]
            images = disguised(*pair, name, derive(seed, name, start))
            place = number * len(rows) + start
            noise = LATENT_NOISE if name == IN_LATENT else 0.0
            made[place : place + len(images)] = through(images, noise, derive(seed, "noise", start))
    return made


def disguised(images: np.ndarray, others: np.ndarray, name: str, seed: int) -> np.ndarray:
    """n×C×H×W uint8 or uint16: the `images` in the disguise of that name, not yet decoded."""
    import torch

    if name == IN_LATENT:
        return images
    top = np.iinfo(images.dtype).max
    pair = (torch.from_numpy(part.astype(np.float32) / top) for part in (images, others))
    made = disguises.DISGUISES[name](*pair, np.random.default_rng(seed))
    return (made.clamp(0, 1) * top).round().numpy().astype(images.dtype)


def table(found: Mapping[str, np.ndarray], count: int, gates: Mapping[str, float]) -> list[dict]:
    """A row for each disguise, of what was `found` of all of them by each way (n bools of each one
    after the other). "stops_a_set": whether a set of nothing else would break one of the `gates`
    (the largest share that each way may find) beyond doubt."""
    from synthcohort.numerics.resampling import binomial_interval

    rows = []
    for number, name in enumerate(names()):
        here = slice(number * count, (number + 1) * count)
        share = {way: float(which[here].mean()) for way, which in found.items()}
        lows = {
            way: binomial_interval(round(share[way] * count), count, "exact")[0] for way in gates
        }
        rows.append(
            {
                "disguise": name,
                "n": count,
                "found": share,
                "stops_a_set": any(lows[way] > gates[way] for way in gates),
            }
        )
    return rows
