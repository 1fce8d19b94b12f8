"""What an audit would have found, in words, from its table of planted leaks."""

# The share of single train images in a disguise from which on, and below which, it is called known.
MOST, LEAST = 0.8, 0.2


def power(rows: list[dict]) -> str:
    """In how many disguises single train images would have been found, for the first line that is
    read of an audit."""
    known = sum(row["found"]["any"] >= MOST for row in rows)
    return (
        f"It would have found {100 * MOST:.0f} % of single train images in {known} of the "
        f"{len(rows)} disguises that were planted."
    )


def sentences(rows: list[dict]) -> dict[str, str]:
    """What this audit would have found and what it would have missed, a sentence each."""
    shares = {row["disguise"]: row["found"]["any"] for row in rows}
    found = [name for name, share in shares.items() if share >= MOST]
    some = [
        f"{name} ({100 * share:.0f} %)" for name, share in shares.items() if LEAST <= share < MOST
    ]
    missed = [f"{name} ({100 * share:.0f} %)" for name, share in shares.items() if share < LEAST]
    single = (
        f"Of single train images in disguise this audit would have found at least "
        f"{100 * MOST:.0f} % of those that are: {'; '.join(found)}."
        if found
        else f"There is no disguise in which this audit would have found {100 * MOST:.0f} % of "
        "single train images."
    )
    parts = []
    if some:
        parts.append(f"found only some of those that are: {'; '.join(some)}")
    if missed:
        parts.append(f"missed nearly all of those that are: {'; '.join(missed)}")
    silent = [row["disguise"] for row in rows if not row["stops_a_set"]]
    told = (
        f"It would have {' and '.join(parts)}." if parts else "It would have missed none of them."
    )
    if silent:
        told += f" Not even a set of nothing else would have been noticed: {'; '.join(silent)}."
    return {"sentence_found": single, "sentence_missed": told}
