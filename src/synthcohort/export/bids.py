"""A BIDS derivative: single-slice NIfTI files, a subject an image.

    bids/dataset_description.json           DatasetType derivative, GeneratedBy, SourceDatasets
    bids/participants.tsv, .json            what each image was asked for, and its part
    bids/sub-000001/anat/sub-000001_desc-synthetic_T1w.nii.gz

Nothing connects two synthetic images, so that each is a subject. The slices have no place in space
and no voxel size: both codes of the header are 0, which says so, and its sizes are 1. Such voxels
are taken to run to the left and to the front, and are stored so, from the lowest row up: viewers
show them as the PNG files are.
"""

import csv
import gzip
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort import __version__, sources
from synthcohort.cohort import number_text
from synthcohort.config import Config
from synthcohort.errors import UserError
from synthcohort.export.imagefolder import FOLDERS
from synthcohort.files import write_json
from synthcohort.progress import progress
from synthcohort.samples import shards

VERSION = "1.10.0"
"""Of the BIDS standard."""


def write(
    folder: Path,
    samples: Sequence[Path],
    sampled: shards.Samples,
    split: np.ndarray,
    system: Config,
) -> None:
    """Write `folder`/bids/; the images keep their uint8 or uint16.

    Raises:
        UserError: the images are RGB, for which BIDS has no place among MRI.
    """
    if sampled.shape[0] != 1:
        raise UserError(
            "export.formats: bids takes grey images, and these are RGB; leave bids out, or make "
            "them grey (prepare.colour)"
        )
    root = folder / "bids"
    root.mkdir()
    suffix = f"desc-synthetic_{system.export.bids.suffix}"
    _describe(root, sampled, split, system)
    chosen = split != ""
    with progress("NIfTI files", int(chosen.sum())) as bar:
        for row, image in shards.taken(samples, chosen):
            path = root / _subject(row) / "anat" / f"{_subject(row)}_{suffix}.nii.gz"
            path.parent.mkdir(parents=True)
            path.write_bytes(_nifti(image[0]))
            bar.update()


def _subject(row: int) -> str:
    return f"sub-{row + 1:06d}"


def _nifti(image: np.ndarray) -> bytes:
    """A slice, H×W, as a packed NIfTI file."""
    import nibabel

    voxels = np.ascontiguousarray(image[::-1].T)[:, :, None]
    # Neither a date nor a file name in the header of gzip: the same bytes again.
    return gzip.compress(nibabel.Nifti1Image(voxels, None).to_bytes(), compresslevel=6, mtime=0)


def _describe(root: Path, sampled: shards.Samples, split: np.ndarray, system: Config) -> None:
    """What BIDS wants beside the images."""
    terms = sources.terms(system.source)
    description = {
        "Name": system.export.title,
        "BIDSVersion": VERSION,
        "DatasetType": "derivative",
        "License": system.export.licence,
        "HowToAcknowledge": "Say that the images are synthetic, and by what they were made.",
        "GeneratedBy": [
            {
                "Name": "synthcohort",
                "Version": __version__,
                "Description": f"Drawn by the diffusion model of the system {system.name}, seed "
                f"{system.seed}; every image is synthetic.",
            }
        ],
        "SourceDatasets": [{"Description": f"{terms.source}; terms: {terms.name}"}],
    }
    write_json(root / "dataset_description.json", description)
    (root / "README.md").write_text(
        f"# {system.export.title}\n\nSynthetic images, each of them called a subject; none shows a "
        "person. Voxel size and orientation are not known. The dataset card, one folder up, tells "
        "how they were made and how like real ones they are.\n",
        encoding="utf-8",
    )
    write_json(
        root / f"desc-synthetic_{system.export.bids.suffix}.json",
        {
            "Description": "Drawn by a diffusion model; shows no person.",
            "SkullStripped": system.export.bids.skull_stripped,
        },
    )
    labelled = sampled.label_names != [""]
    columns = {
        "participant_id": "Number of the synthetic image; no person.",
        **(
            {"label": "Asked-for label.", "class": "Number of the label in the source."}
            if labelled
            else {}
        ),
        "split": "Part of the dataset: train, validation or test.",
        "index": "Running number within the label.",
        "seed": "Seed of the image's noise.",
        **dict.fromkeys(sampled.attribute_names, "Asked-for value."),
    }
    about = {name: {"Description": text} for name, text in columns.items()}
    write_json(root / "participants.json", about)
    with (root / "participants.tsv").open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, "excel-tab", lineterminator="\n")
        writer.writerow(columns)
        for row in np.flatnonzero(split != ""):
            label = sampled.labels[row]
            named = [sampled.label_names[label], sampled.label_numbers[label]]
            writer.writerow(
                [
                    _subject(row),
                    *(named if labelled else []),
                    FOLDERS[split[row]],
                    sampled.index[row],
                    sampled.seeds[row],
                    *map(number_text, sampled.attributes[row]),
                ]
            )
