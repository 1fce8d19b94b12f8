"""What the guidance scale does: measured before a dataset is drawn, and read as the metrics are."""

from synthcohort.evaluation.guidance.guidance_figure import draw
from synthcohort.measures import Measure

__all__ = ["CAPTION", "MEASURES", "draw"]

MEASURES = (
    Measure(
        "guidance",
        "Guidance scale, as chosen",
        240,
        "conditioning",
        "",
        "What a stronger guidance does to labels, fidelity and diversity; the chosen scale is"
        " marked in the figure.",
    ),
)
CAPTION = """\
What the scale of the guidance does (sampling.guide, in sampling.guidance_interval): fidelity
(Fréchet distance to real test images in the features of the classifier trained on this cohort),
diversity (variance of those features within a label, over that of real test images) and whether the
asked label arrives, over the scale. The same noise is drawn at every scale; the dashed line marks
the scale the dataset was drawn with (sampling.guidance), the band is the floor.

Guidance away from the untold denoiser (withheld) makes images more alike; guidance away from an
early one hardly does, until too large a scale breaks them. Label accuracy above the floor, with a
variance below 1, means that the images have become caricatures of their label. These distances are
of few images: compare them with each other and with the floor, not with other figures.
"""
