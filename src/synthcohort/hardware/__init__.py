"""The hardware a stage runs on: told by options and environment variables, never by the settings.

`Hardware` is what the stages are handed. Behind it: which device (`gpu`), which numbers
(`precision`), whether networks are compiled (`compiling`), the same bits again (`determinism`),
what the environment says (`variables`), and how fast a device can be at best (`peak`).
"""

from synthcohort.hardware.choice import Hardware

__all__ = ["Hardware"]
