"""Is the synthetic dataset like the real one? Metrics with interval, N, seed and floor."""
