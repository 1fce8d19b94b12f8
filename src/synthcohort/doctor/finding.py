"""What a check finds, and how it is told."""

import textwrap
from dataclasses import dataclass
from typing import Literal

_WRAP = textwrap.TextWrapper(78, break_on_hyphens=False, break_long_words=False)


@dataclass(frozen=True)
class Finding:
    """One line of the doctor's."""

    what: str
    state: Literal["ok", "warn", "bad"]
    """warn: it runs, but worse than it could; bad: a stage will fail."""
    told: str
    remedy: str = ""
    """What to do; of what is ok, nothing."""

    def __str__(self) -> str:
        indent = " " * 20
        text = self.told + (f"\n→ {self.remedy}" if self.remedy else "")
        lines = [_WRAP.fill(line) for line in text.splitlines()]
        body = "\n".join(lines).replace("\n", f"\n{indent}")
        return f"{self.state:<6}{self.what:<14}{body}"
