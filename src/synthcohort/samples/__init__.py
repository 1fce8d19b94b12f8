"""Synthetic images: which are made, drawing them, the shards they lie in, and their table."""
