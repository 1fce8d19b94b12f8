"""Which samples are made, and which shard makes which; nothing here needs torch."""

import numpy as np

from synthcohort.cohort import Cohort
from synthcohort.config import Sampling
from synthcohort.errors import UserError
from synthcohort.seeds import derive


def counts(settings: Sampling, names: list[str], classes: np.ndarray) -> list[int]:
    """How many samples each label gets, in the order of `names`.

    A total is shared out as the labels are in train (`classes`), by largest remainders.

    Raises:
        UserError: a label asked for is not in the cohort, or no train image has it.
    """
    there = np.bincount(classes, minlength=len(names))
    if isinstance(settings.images, dict):
        unknown = sorted(set(settings.images) - set(names))
        if unknown:
            raise UserError(
                f"sampling.images: no label {unknown[0]!r} in this cohort; its labels are "
                f"{', '.join(map(repr, names))}"
            )
        each = [settings.images.get(name, 0) for name in names]
        if unlearnt := [
            name for name, n, of in zip(names, each, there, strict=True) if n and not of
        ]:
            raise UserError(
                f"sampling.images: no train image has the label {unlearnt[0]!r}, so the model has "
                "not learnt it; ask for none of it"
            )
        return each
    exact = there / len(classes) * settings.images
    whole = np.floor(exact).astype(int)
    by_remainder = np.argsort(whole - exact, kind="stable")
    whole[by_remainder[: settings.images - whole.sum()]] += 1
    return whole.tolist()


def lacking(each: list[int], data: Cohort) -> list[str]:
    """In words, what the samples that each label of `data` gets leave open."""
    tested = set(data.classes[data.of("test")].tolist())
    return [
        f"sampling.images leaves no image to the label {name!r}; say there how many each label is "
        "to have"
        if not n
        else f"images of the label {name!r} are drawn, but no real test image has it, so nothing "
        "says how good they are"
        for i, (name, n) in enumerate(zip(data.label_names, each, strict=True))
        if not n or i not in tested
    ]


def total(settings: Sampling) -> int:
    """How many samples are asked for."""
    return sum(settings.images.values()) if isinstance(settings.images, dict) else settings.images


def shards(settings: Sampling) -> int:
    """How many shards that makes."""
    return -(-total(settings) // settings.shard)


def of_part(settings: Sampling, part: int, parts: int) -> range:
    """The shards of a part, of `parts` that are as equal as can be."""
    first, last = (number * shards(settings) // parts for number in (part, part + 1))
    return range(first, last)


def of_shard(settings: Sampling, each: list[int], shard: int) -> list[tuple[int, int]]:
    """The (label, index) pairs of a shard, given how many samples each label gets; labels take
    turns, so that every shard holds all of them."""
    label = np.repeat(np.arange(len(each)), each)
    index = np.concatenate([np.arange(n) for n in each])
    turn = np.lexsort((label, (index + 0.5) / np.repeat(each, each)))
    mine = turn[shard * settings.shard : (shard + 1) * settings.shard]
    return list(zip(label[mine].tolist(), index[mine].tolist(), strict=True))


def seed_of(seed: int, label: str, index: int) -> int:
    """The seed of a sample's noise: that of the run, the sample's label and its running number
    within the label."""
    return derive(seed, "sample", label, index)


def attributes(
    data: Cohort, names: list[str], pairs: list[tuple[int, int]], seeds: list[int]
) -> np.ndarray:
    """n×A float32: the attributes of each (label, index) pair, those of a train image of the same
    label that the sample's own seed draws, so that label and attributes occur together as they do
    in train.

    Raises:
        UserError: train has no image of a label.
    """
    if not data.attribute_names:
        return np.zeros((len(pairs), 0), np.float32)
    train, classes, values = data.of("train"), data.classes, data.attributes
    rows = {}
    for label in {label for label, _ in pairs}:
        rows[label] = train[classes[train] == data.label_names.index(names[label])]
        if not len(rows[label]):
            raise UserError(
                f"sampling.images: no train image has the label {names[label]!r}, so there are no "
                "attributes to give its samples; ask for none of that label"
            )
    return values[
        [
            np.random.default_rng(derive(seed, "attributes")).choice(rows[label])
            for (label, _), seed in zip(pairs, seeds, strict=True)
        ]
    ]
