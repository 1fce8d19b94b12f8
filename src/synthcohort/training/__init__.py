"""Both trainings, what they share (loop, state, checkpoints, moving average), and their figures."""
