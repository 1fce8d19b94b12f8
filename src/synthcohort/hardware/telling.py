"""What a stage says of its hardware: one line each, once."""

import os
import sys

_said: set[str] = set()


def once(sentence: str) -> None:
    """Print a sentence, unless this process has said it or is not the first of several."""
    if sentence not in _said and os.environ.get("LOCAL_RANK", "0") == "0":
        print(sentence, file=sys.stderr, flush=True)
    _said.add(sentence)
