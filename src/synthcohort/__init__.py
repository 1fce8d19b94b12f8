"""From a cohort of medical images to a synthetic dataset and the evidence for it."""

from importlib.metadata import version

__version__ = version("synthcohort")
