"""What the moments of a training advise."""

from collections.abc import Mapping, Sequence

GOOD = ("unseen_loss", "quality")
"""What says how good a moment is: by either of them it may be worse than the end."""


def advised(points: Sequence[Mapping]) -> tuple[int, str]:
    """The advised number of images seen and why, in a sentence.

    A moment is good enough where the end is not better beyond doubt, and harmless where membership
    is not above chance beyond doubt, and was not before.
    """
    leaks = [point["membership"]["interval"][0] > 0.5 for point in points]
    worse = [any(point[name]["gain"]["interval"][0] > 0 for name in GOOD) for point in points]
    harmless = leaks.index(True) if True in leaks else len(points)
    good = worse.index(False)  # the end at the latest
    seen = [point["images"] for point in points]
    if harmless == len(points):
        top = points[-1]["membership"]["interval"][1]
        none = (
            "at no moment were train patients told from unseen ones beyond chance, though with "
            f"these patients an AUC of up to {top:.2f} cannot be excluded at the end."
        )
        if good == len(points) - 1:
            return seen[-1], f"Go on: the quality still grew at the end, and {none}"
        return seen[-1], (
            f"Long enough: after {seen[good]:,} images the quality has not grown beyond doubt, and "
            f"{none}"
        )
    told = f"from {seen[harmless]:,} images seen on, train patients are told from unseen ones"
    if harmless == 0:
        return seen[0], (
            f"Already {told}: more patients or a smaller network are needed, not another length."
        )
    if good < harmless:
        return seen[harmless - 1], (
            f"Stop at {seen[harmless - 1]:,} images: {told}, and the quality has not grown beyond "
            f"doubt after {seen[good]:,}."
        )
    return seen[harmless - 1], (
        f"Stop at {seen[harmless - 1]:,} images, or bring more patients: {told}, while the quality "
        "still grew."
    )
