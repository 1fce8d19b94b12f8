"""What MLflow runs to load a model: it is copied into the MLflow model, in place of a pickle.

It needs synthcohort, of the version that the MLflow model's metadata names under `made_by`.
"""

from mlflow.models import set_model

from synthcohort.generator.served import Served

set_model(Served())
