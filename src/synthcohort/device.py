"""The name that `synthcohort.hardware` had."""

from synthcohort.hardware import Hardware

__all__ = ["Hardware"]
