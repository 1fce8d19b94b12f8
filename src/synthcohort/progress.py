"""Progress with time left, a line every few seconds, readable in a terminal and in a log file."""

import sys
from collections.abc import Iterable
from typing import Any

from tqdm import tqdm


class _Lines:
    """A stream for tqdm that ends each update with a newline, so that logs stay readable."""

    def write(self, text: str) -> None:
        text = text.strip("\r\n ")
        if text:
            print(text, file=sys.stderr, flush=True)

    def flush(self) -> None:
        sys.stderr.flush()


def progress(
    what: str,
    total: int | None = None,
    of: Iterable[Any] | None = None,
    unit: str = "image",
    hidden: bool = False,
) -> tqdm:
    """A tqdm bar named `what` over `of`, or to be moved on by hand up to `total`.

    Nothing is printed for work that ends within five seconds.
    """
    return tqdm(
        of,
        desc=what,
        total=total,
        unit=" " + unit,
        unit_scale=False,
        mininterval=5,
        maxinterval=5,
        delay=5,
        file=_Lines(),
        leave=False,
        disable=hidden,
        bar_format="{desc}: {percentage:3.0f} % of {total}{unit}s, {rate_fmt}, {remaining} left",
    )
