"""The small networks of the evaluation."""
