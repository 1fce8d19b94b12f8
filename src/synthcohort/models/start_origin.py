"""What the run that given weights come from says of them, where they still lie in its folder: which
images they have seen, and whose latents a U-Net was trained on."""

import os
from pathlib import Path
from typing import TYPE_CHECKING

from synthcohort.cohort import Cohort
from synthcohort.errors import UserError
from synthcohort.files import sha256
from synthcohort.intake import tables
from synthcohort.models.start_folder import (
    WEIGHTS,
    Part,
    class_of,
    fault,
    find,
    folders_above,
    recorded,
)

if TYPE_CHECKING:
    from synthcohort import config


def require_unseen(start: "config.Start | None", part: Part, data: Cohort) -> None:
    """Refuse weights that were trained on an image which is held out here.

    Images are compared by the sha256 of their prepared pixels: one that was prepared in another way
    is not recognised. One that is in train here, too, proves nothing.

    Raises:
        UserError: the run they come from has trained on validation or test images of this cohort.
    """
    if start is None:
        return
    place = find(start, part)
    begun = recorded(place)
    if begun is not None and begun.frozen:
        return  # that run has not trained them
    known = _trained_on(place) - {data.rows[i]["sha256"] for i in data.of("train")}
    held_out = [data.rows[i] for name in ("val", "test") for i in data.of(name)]
    if seen := [row["image_id"] for row in held_out if row["sha256"] in known]:
        raise UserError(
            f"{part}.start.folder: the weights in {place} were trained on {len(seen)} of the "
            f"{len(held_out)} validation and test images of this run, such as {seen[0]!r}, so that "
            "its figures would look better than they are. Give this run the source, seed and split "
            "of theirs, so that the same patients are held out, or start from others"
        )


def _trained_on(place: Path) -> set[str]:
    """The sha256 of the train images of the run that a folder of weights lies in, if any."""
    for folder in folders_above(place):
        manifest, split = folder / "cohort/manifest.csv", folder / "cohort/split.csv"
        if os.access(manifest, os.R_OK) and os.access(split, os.R_OK):
            columns = dict.fromkeys(("image_id", "split"), "")
            train = {
                row["image_id"] for _, row in tables.rows(split, columns) if row["split"] == "train"
            }
            columns = dict.fromkeys(("image_id", "sha256"), "")
            images = (row for _, row in tables.rows(manifest, columns))
            return {row["sha256"] for row in images if row["image_id"] in train}
    return set()


def latents_of(place: Path, autoencoder: Path) -> list[str]:
    """What is to be told of the latents that the U-Net in `place` was trained on, beside those that
    `autoencoder` makes: nothing where they are the same, or nothing is known.

    Raises:
        UserError: it was trained on pixels and is to go on with latents, or the other way round.
    """
    for folder in folders_above(place):
        for theirs in (folder / "autoencoder", folder / "vae"):
            if os.access(theirs / "config.json", os.R_OK):
                return _compared(place, theirs, autoencoder)
    return []


def _compared(place: Path, theirs: Path, ours: Path) -> list[str]:
    pixels = [class_of("diffusion", of) == "IdentityAutoencoder" for of in (theirs, ours)]
    if pixels[0] != pixels[1]:
        was, now = ("pixels" if so else "latents" for so in pixels)
        raise fault(
            "diffusion",
            place,
            f"was trained on {was} ({theirs}), but here it is to learn {now} "
            "(autoencoder.network); take a U-Net that knows them, or remove start",
        )
    if (
        pixels[0]
        or not os.access(theirs / WEIGHTS, os.R_OK)
        or _identities(theirs) & _identities(ours)
    ):
        return []
    return [
        "it was trained on latents of another autoencoder, so it has to learn what those of this "
        "one mean"
    ]


def _identities(autoencoder: Path) -> set[str]:
    """The sha256 of its weights, and of those that it has taken over as they were."""
    given = recorded(autoencoder)
    taken = {given.sha256} if given is not None and given.frozen else set()
    return {sha256(autoencoder / WEIGHTS), *taken}
