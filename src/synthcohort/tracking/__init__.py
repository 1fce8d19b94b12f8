"""The journal of every stage, and its publication to MLflow."""
