"""The dataset card's section on how the images are loaded, in each format there is of them."""

from collections.abc import Sequence

import numpy as np

from synthcohort.config import Config
from synthcohort.samples.shards import Samples

FORMATS = {
    "parquet": "`parquet/` has the images and all columns in few files, which pyarrow, pandas and "
    "DuckDB read as well.",
    "dicom": "`dicom/` has DICOM files (Secondary Capture, marked as Synthetic Data, a made-up "
    "subject an image), and the same table as the PNG files.",
    "bids": "`bids/` is a BIDS derivative of single-slice NIfTI files without place or voxel size; "
    "each of its subjects is an image, and no person.",
}


def files(formats: Sequence[str], folder: str) -> str:
    """Which files `datasets` loads a part from, of the folder that is named so."""
    if "imagefolder" in formats:
        return f"imagefolder/{folder}/**"
    return f"parquet/{folder}-*.parquet"


def section(system: Config, samples: Samples) -> str:
    """The section, with its heading."""
    formats = system.export.formats
    attributes = ", ".join(f"`{name}`" for name in samples.attribute_names)
    kind = "PNG" if "imagefolder" in formats else "Parquet"
    blocks = [
        f"""```python
from datasets import load_dataset  # the {kind} files, from this folder
dataset = load_dataset("path/to/this/folder")
image = dataset["train"][0]["image"]
```
"""
    ]
    told = []
    if "medmnist" in formats:
        blocks.append(
            f"""```python
import numpy as np  # the same images in MedMNIST's layout
arrays = np.load("{system.name}.npz")
images, labels = arrays["train_images"], arrays["train_labels"]
```
"""
        )
    if "imagefolder" in formats:
        columns = ", ".join(_columns(samples, attributes))
        told.append(f"`imagefolder/<split>/metadata.csv` has for every PNG file: {columns}.")
    if "medmnist" in formats:
        told += _npz(system.name, samples, attributes)
    told += [FORMATS[name] for name in formats if name in FORMATS]
    told.append("`sha256sum -c SHA256SUMS` checks all files.")
    lines = "".join(f"- {line}\n" for line in told)
    return "\n".join(["## How to load it\n", *blocks, lines])


def _columns(samples: Samples, attributes: str) -> list[str]:
    columns = ["`index` (the running number within its label)", "`seed` (of its noise)"]
    if samples.label_names != [""]:
        columns = ["`label` (name)", "`class` (number, as in the table above)", *columns]
    if attributes:
        columns.append(f"what the model was asked for besides: {attributes}")
    return columns


def _npz(name: str, samples: Samples, attributes: str) -> list[str]:
    labels = "class numbers"
    if samples.label_names != [""]:
        labels += ", and `label_names` has the name of each in `label_numbers`"
    if samples.multi_label:
        labels = f"0 or 1 for each of {attributes}, which `label_names` lists"
    told = [
        f"`{name}.npz` has the keys train, val and test with `_images` and `_labels`; its labels "
        f"are\n  {labels}."
    ]
    if samples.dtype == np.uint16:
        told.append("The pixels are uint16, where MedMNIST's own files are uint8.")
    return told
