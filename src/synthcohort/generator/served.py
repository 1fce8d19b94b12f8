"""A model behind MLflow's generic interface: a table of what is wanted in, images out."""

import json
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pandas as pd
from mlflow.exceptions import MlflowException
from mlflow.models import ModelSignature
from mlflow.pyfunc import PythonModel, PythonModelContext
from mlflow.types import ColSpec, DataType, ParamSchema, ParamSpec, Schema, TensorSpec
from mlflow.types.schema import Object, Property

from synthcohort.errors import UserError
from synthcohort.generator.loaded_model import Generator
from synthcohort.generator.model_folder import MODEL, Record, read


class Served(PythonModel):
    """A row an image: label, attributes, seed and index, the running number within the label."""

    def load_context(self, context: PythonModelContext) -> None:
        """Load the model; what has to be known of it is said on stderr."""
        folder = Path(context.artifacts[MODEL])
        record = read(folder)
        if record.warning:
            print(record.warning, file=sys.stderr)
        self._generator = Generator(folder, record)

    # MLflow would make a signature of types here; it is given with the model.
    def predict(self, context, model_input, params=None):
        """n×C×H×W uint8 or uint16.

        Raises:
            MlflowException: no such label or attribute, or a number out of its range; the server
                answers it with status 400.
        """
        try:
            return self._drawn(model_input, (params or {}).get("guidance"))
        except UserError as error:
            raise MlflowException.invalid_parameter_value(str(error)) from None

    def _drawn(self, rows: pd.DataFrame, guidance: float | None) -> np.ndarray:
        generator, n = self._generator, len(rows)
        record = generator.record
        if not n:
            return np.zeros((0, *record.shape), record.dtype)
        labels = list(rows["label"]) if "label" in rows else [None] * n
        labels = [generator.label(None if _missing(name) else name) for name in labels]
        numbers = {
            name: [0 if _missing(value) else int(value) for value in rows.get(name, [0] * n)]
            for name in ("seed", "index")
        }
        for name, values in numbers.items():
            if min(values) < 0:
                raise UserError(f"{name}: expected whole numbers from 0 on, got {min(values)}")
        given = list(rows["attributes"]) if "attributes" in rows else [{}] * n
        values = [generator.attributes(dict(one or {}), 1) for one in given]
        asked = numbers["index"], numbers["seed"], np.concatenate(values)
        return np.concatenate(list(generator.images(labels, *asked, generator.settings(guidance))))


def signature(record: Record) -> ModelSignature:
    """What a model is asked and answers."""
    labelled = [label for label in record.labels if label.name]
    columns = [ColSpec(DataType.string, "label")] if labelled else []
    if record.attributes:
        told = Object([Property(name, DataType.double) for name in record.attributes])
        columns.append(ColSpec(told, "attributes"))
    columns.append(ColSpec(DataType.long, "seed"))
    columns.append(ColSpec(DataType.long, "index", required=False))
    images = TensorSpec(np.dtype(record.dtype), (-1, *record.shape), "images")
    scale = ParamSpec("guidance", DataType.double, float(record.sampling.guidance))
    return ModelSignature(Schema(columns), Schema([images]), ParamSchema([scale]))


def input_example(record: Record, folder: Path) -> pd.DataFrame:
    """Two rows that the model answers."""
    learnt = [label.name for label in record.labels if label.train_images]
    mean = json.loads((folder / "attributes.json").read_text(encoding="utf-8"))["mean"]
    row: dict[str, Any] = {"label": learnt[0]} if learnt != [""] else {}
    if record.attributes:
        row["attributes"] = dict(zip(record.attributes, mean, strict=True))
    return pd.DataFrame([row | {"seed": 7, "index": index} for index in (0, 1)])


def _missing(value: Any) -> bool:
    return value is None or (isinstance(value, float) and np.isnan(value))
