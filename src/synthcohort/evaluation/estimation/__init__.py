"""Distances between sets of features, their floors, and the intervals of both."""
