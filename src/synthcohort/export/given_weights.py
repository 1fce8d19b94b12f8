"""What the cards say of weights that a training of the run started from."""

from collections.abc import Iterator, Sequence

from synthcohort.models.start_folder import GivenWeights

_PARTS = {"autoencoder": "autoencoder", "diffusion": "denoiser"}


def rows(given: Sequence[GivenWeights]) -> dict[str, str]:
    """A row for each in the table of how it was made."""
    return {
        f"First weights of the {_PARTS[one.part]}": "; before that, ".join(map(_row, _line(one)))
        for one in given
    }


def section(given: Sequence[GivenWeights]) -> str:
    """What there is to know for the licence, and what the audit does not see; "" without any."""
    if not given:
        return ""
    terms = "".join(
        f"- Licence or terms of the weights that the {_PARTS[one.part]} started from, as the maker "
        f"states them: {'; before that, '.join(step.licence for step in _line(one))}.\n"
        for one in given
    )
    names = restricted(given)
    gate = (
        f"""
**The given weights derive from restricted data** ({"; ".join(names)}). Their user has named these
terms (`start.licence`), to say that they, and those who gave access to the images, let what is made
of them be passed on. Whoever passes it on has to see that this holds for them, too.
"""
        if names
        else ""
    )
    return f"""{terms}{gate}
**Not all weights began in this run.** What the given ones had been trained on is not known to the
audit: it looked for copies of this cohort's train images and no others, so images of others that
those weights hold may come through unseen. Had they seen held-out patients of this cohort, the
figures would look better than they are. Whoever passes this on has to see that the terms of the
given weights allow it.
"""


def restricted(given: Sequence[GivenWeights]) -> list[str]:
    """The terms of restricted images that any of them derive from."""
    return list(dict.fromkeys(name for one in given for name in one.restricted))


def _line(given: GivenWeights) -> Iterator[GivenWeights]:
    """These, and what they started from themselves."""
    step: GivenWeights | None = given
    while step is not None:
        yield step
        step = step.before


def _row(one: GivenWeights) -> str:
    told = f"`{one.folder}` ({one.network}, sha256 `{one.sha256}`), "
    told += "used as they are" if one.frozen else "trained on"
    told += "".join(f"; {sentence}" for sentence in one.adapted)
    return told.replace("|", "\\|")
