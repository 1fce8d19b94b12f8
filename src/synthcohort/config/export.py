"""How the synthetic dataset is handed on."""

from synthcohort.config.split import Fractions
from synthcohort.settings import Settings


class Export(Settings):
    fractions: Fractions = Fractions(train=0.8, val=0.1, test=0.1)
    """How the synthetic images are shared out in the exported dataset, label by label."""
    title: str = "Synthetic images"
    """Title of the dataset card."""
    licence: str = "unknown"
    """Licence of the exported dataset, as the Hugging Face hub names it; the default grants
    nothing."""
    acknowledge: str = ""
    """For restricted real images: the name of their terms, to say that you have read them and that
    they let you pass on what is derived. Without it nothing runs; the message tells the name."""
