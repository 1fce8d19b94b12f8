"""DICOM, as hospitals' archives give it: a folder of files at any depth, from one study or many.

CT, MR and PET slices and the frames of enhanced objects are sorted by position into volumes and
sliced as NIfTI volumes are; radiographs, mammograms, ultrasound and every other image are pictures,
one a frame. Left out, and told: what is no image, localisers, derived images and secondary
captures, copies. Refused, all at once: files that are cut off, encrypted or of unknown syntax,
images without pixels or PatientID, slices that lie unevenly.

The patient is the PatientID, the session the place of the StudyDate among the patient's. Neither
they nor any name or path is kept on record as it is: codes stand for them, from a hash under a key
that is made once and lies, with a table of the files, in results/.private, which is never exported.
Delete it, and every code changes, and with them the split; copy it to have the same codes, and so
the same bytes, in another place.
"""

import sys
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path

from synthcohort.errors import UserError
from synthcohort.progress import progress
from synthcohort.sources import Image, Terms, stated
from synthcohort.sources.dicom import items
from synthcohort.sources.dicom.headers import Broken
from synthcohort.sources.dicom.pseudonyms import Pseudonyms
from synthcohort.sources.dicom.source import Source

__all__ = ["PRIVATE", "Source", "read", "terms"]

PRIVATE = True
_MOST_FAULTS = 5


def terms(settings: Source) -> Terms:
    """What the user has declared, and what nobody has looked for in the pictures."""
    said = stated(settings)
    burned = (
        "were refused"
        if settings.burned_in == "refuse"
        else "were not: text in them may come back in synthetic images"
    )
    note = (
        f"Names and dates can be burned into DICOM images. Those whose tag says so {burned}; where "
        "the tag is absent or wrong, nobody has looked."
    )
    return Terms(said.name, said.source, f"{said.note} {note}".strip(), said.gated)


def read(settings: Source, root: Path | None) -> Iterator[Image]:
    """Slices of volumes, H×W, and pictures, H×W or H×W×3 (RGB, uint8), by patient and session.

    Grey images are uint8 or uint16 as `depth` says; those of volumes have square pixels. Patients,
    images and source files have codes for names. `settings.root` is read; `root` is the private
    folder, in which the key of the codes is kept, and made where there is none.

    Raises:
        UserError: there is no such folder or nothing in it; files or series are not as described
            above; a label or an attribute is absent.
    """
    if root is None:
        raise UserError("source: dicom keeps the key of its pseudonyms: give a folder as --root")
    names = Pseudonyms(root, settings.root)
    whole = items.items(settings, names)
    faults: dict[tuple[str, str], list[str]] = defaultdict(list)
    scaled: Counter[str] = Counter()
    for item in progress("reading images", of=whole):
        try:
            yield from items.images(item, settings, scaled)
        except Broken as broken:
            faults[broken.args].append(broken.path)
            if sum(map(len, faults.values())) == _MOST_FAULTS:
                break
        except UserError as error:  # of the slicing, which knows the volume by its code
            shown = names.shown(item.headers[0].path)
            told = f"{error}\n{item.code} has {shown}; {names.index} lists all its files."
            raise UserError(told, str(error)) from None
    if faults:
        raise names.error(faults)
    if len(scaled) > 1:
        counts = ", ".join(f"{n} by {how}" for how, n in sorted(scaled.items()))
        print(f"Note: {settings.root}: images were scaled to grey: {counts}", file=sys.stderr)
