"""NIfTI volumes: 2-D slices of every volume of a BIDS data set, or of another layout.

`layout` says how they lie:

- `bids`: `sub-*/[<session>/]anat/*_<suffix>.nii[.gz]`; the folders name patient and session,
  participants.tsv has the labels;
- `decathlon`: `imagesTr/<case>.nii.gz` as in the Medical Segmentation Decathlon; each case is a
  patient;
- `nnunet`: `imagesTr/<case>_<channel>.nii.gz` as nnU-Net has them, the channel in four digits; each
  case is a patient unless `expression` or `table` says otherwise;
- `folder`: volumes anywhere below `root`, described as the pictures of the source `folder` are.

In `decathlon` and `nnunet`, imagesTs/ is the official test part where it is there; dataset.json and
labelsTr/ are only compared with the volumes. `expression` and `table` may give labels, sessions and
patients in all layouts but `bids`. Volumes are .nii, .nii.gz or pairs of .hdr and .img.
"""

from collections.abc import Iterator
from pathlib import Path

from synthcohort.progress import progress
from synthcohort.sources import Image
from synthcohort.sources.nifti import bids, described
from synthcohort.sources.nifti.layouts import Source
from synthcohort.sources.nifti.remarks import Remarks
from synthcohort.sources.nifti.slicing import Cut, Slicing, cut, slices

__all__ = ["Cut", "Remarks", "Slicing", "Source", "cut", "read", "slices"]


def read(settings: Source, root: Path | None) -> Iterator[Image]:
    """The slices of every volume, H×W uint8 or uint16 with square pixels, in order of file names.

    `slice` is the slice's index along the patient's axis. `settings.root` is read, not `root`.

    Raises:
        UserError: the root is absent or has no such volumes, what describes them lacks something,
            or a volume is none that `slices` can read.
    """
    found = bids.scans(settings) if settings.layout == "bids" else described.scans(settings)
    remarks = Remarks()
    try:
        for scan in progress("reading volumes", of=found, unit="volume"):
            path = settings.root / scan.file
            for index, place, picture in slices(
                path, settings, remarks=remarks, channel=scan.channel
            ):
                yield Image(
                    pixels=picture,
                    image_id=f"{scan.image_id}_{place}",
                    patient_id=scan.patient,
                    session=scan.session,
                    slice=str(index),
                    source_file=scan.file.as_posix(),
                    label=scan.label,
                    split=scan.split,
                    class_number=scan.class_number,
                    attributes=scan.attributes,
                )
    finally:
        remarks.tell()
