"""The contestants of ../peers.py, a module each, and what is needed to let them compete."""

# Before anything heavy is imported: from here on a contestant can be stopped and continued.
import peers.contract  # noqa: F401
