"""What both trainings share: the loop, its state, checkpoints and the moving average."""
