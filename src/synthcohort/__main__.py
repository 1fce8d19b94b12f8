"""`python -m synthcohort` is `synthcohort`, for launchers that take a module."""

from synthcohort.cli import main

main()
