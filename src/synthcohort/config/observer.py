"""The page that asks people."""

from synthcohort.config.types import Positive
from synthcohort.settings import Settings


class Observer(Settings):
    images: Positive = 40
    """Most images of each kind (real test, synthetic) on the page that asks human readers."""
