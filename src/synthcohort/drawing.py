"""What all figures share: colours that colour-blind readers can tell apart, and how to save one."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.files import atomic_file

if TYPE_CHECKING:
    from matplotlib.figure import Figure

# Okabe and Ito.
BLACK, BLUE, GREEN, ORANGE, YELLOW = "#000000", "#0072B2", "#009E73", "#D55E00", "#E69F00"
PINK = "#CC79A7"
FEW = (BLUE, YELLOW, GREEN, PINK, "#56B4E9", ORANGE, "#F0E442", BLACK)


def save(figure: "Figure", path: Path, **options: object) -> None:
    """Write a figure as PNG without the date and version that would change its bytes.

    A $ is a $, in the name of a label say, and begins no formula.
    """
    from matplotlib.text import Text

    for text in figure.findobj(Text):
        if "$" in text.get_text():
            text.set_parse_math(False)
    with atomic_file(path) as temporary:
        figure.savefig(temporary, dpi=150, metadata={"Software": None}, **options)


def displayed(image: np.ndarray) -> np.ndarray:
    """C×H×W uint8 or uint16 as matplotlib shows it: H×W or H×W×3 float32 from 0 to 1."""
    shown = image.astype(np.float32) / np.iinfo(image.dtype).max
    return shown[0] if len(shown) == 1 else np.moveaxis(shown, 0, -1)
