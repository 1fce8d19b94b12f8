"""The one exception a user is meant to read."""

from collections.abc import Sequence


class UserError(Exception):
    """A fault the user can mend: the message names the file or key, what was expected, what to do.

    The command line prints the message without a traceback and exits with code 1. The journal, and
    MLflow with it, keeps `recorded`: the message, unless that names what only the one at the
    machine may see, such as a path that holds a patient's name.
    """

    def __init__(self, message: str = "", recorded: str = "") -> None:
        super().__init__(message)
        self.recorded = recorded or message


class Refused(UserError):
    """What is asked for would undo something unfinished: nothing was begun, nothing changed."""


def first(names: Sequence[str]) -> str:
    """The first names of a list in words, for a message about all of them."""
    few = ", ".join(names[:5])
    return f"the first are {few}" if len(names) > 5 else few
