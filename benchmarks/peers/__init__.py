"""The contestants of ../peers.py, a module each, and what is needed to let them compete."""
