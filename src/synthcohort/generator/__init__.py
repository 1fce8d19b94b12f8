"""The generator: a trained model as a folder that can be handed on, and images drawn from it."""
