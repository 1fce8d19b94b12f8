"""Which labels a figure covers: one that a part of the images lacks drops out of every average."""

from collections.abc import Collection, Sequence


def note(label_names: Sequence[str], covered: Collection[str]) -> str:
    """What the reader of a figure must know of the labels of the cohort that it does not cover;
    empty where it covers all."""
    missing = [name for name in label_names if name not in covered]
    if not missing:
        return ""
    return (
        f"It covers the labels {_listed([name for name in label_names if name in covered])} alone "
        f"and says nothing of {_listed(missing)}, of which real train, real test or synthetic "
        "images are lacking."
    )


def _listed(names: Sequence[str]) -> str:
    return ", ".join(map(repr, names)) or "none"
