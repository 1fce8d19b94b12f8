"""The one exception a user is meant to read."""


class UserError(Exception):
    """A fault the user can mend: the message names the file or key, what was expected, what to do.

    The command line prints the message without a traceback and exits with code 1.
    """
