"""What is known of a measured figure beside its numbers: each module that measures says it in
`MEASURES`, so that table, report page, card and gates need no list of their own."""

from dataclasses import dataclass

QUESTIONS = {
    "fidelity": "Fidelity: do the images look like the real ones?",
    "diversity": "Diversity: do they vary as the real ones do?",
    "utility": "Utility: do they train a model as well?",
    "conditioning": "Conditioning: does the asked label arrive?",
    "privacy": "Privacy: do they give a patient away?",
    "real_or_synthetic": "Real or synthetic: can they be told apart?",
    "other": "Further measurements",
}


@dataclass(frozen=True)
class Measure:
    """A figure that a result file holds, by its name there: "fid", or "utility.both" for an entry
    of the details."""

    name: str
    title: str
    """What the table calls it."""
    place: int
    """Where it stands in the table; the smallest comes first."""
    question: str
    """A key of QUESTIONS."""
    better: str
    """"lower", "higher", "near" (to the floor), or "" where there is no better."""
    sentence: str
    """How it is read."""
    span: float | None = None
    """What lies between chance and the best there can be: 0.5 of an AUC, 1 of a share. A floor that
    is uncertain by more than half of it says nothing; None where there is no such bound."""
