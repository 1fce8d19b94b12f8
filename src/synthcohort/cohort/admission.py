"""What the names of every image pass on their way into a cohort, whatever the source.

Patients and labels get their normal form; those that differ in nothing that matters are joined and
told, and what means "not known" is nobody and no class.
"""

import sys
from dataclasses import replace

from synthcohort.errors import UserError
from synthcohort.intake import ids
from synthcohort.sources import Image


class Admission:
    """The names of one cohort's images, as they come."""

    def __init__(self) -> None:
        self.patients, self.labels = ids.Spellings(), ids.Spellings()
        self._number_of: dict[str, int | None] = {}
        self._label_of: dict[int | None, str] = {}

    def passed(self, image: Image) -> Image:
        """`image` with the names that stand for its patient and its label in this cohort.

        Raises:
            UserError: the patient or the label is not known, a spreadsheet has shortened the
                patient's number, or a label and a class number are not one to one.
        """
        place = f"{image.source_file}: {image.image_id!r}"
        if not image.patient_id:
            raise UserError(f"{image.source_file}: no patient_id; every image needs one")
        for name, text in (("patient_id", image.patient_id), ("label", image.label)):
            if text and ids.is_unknown(text):
                raise UserError(
                    f"{place} has the {name} {ids.shown(text)}, which means that it is not known; "
                    "fill it in or leave the image out, or, where it is a name, choose another"
                )
        if ids.is_shortened(image.patient_id):
            raise UserError(
                f"{place} has the patient_id {image.patient_id!r}, a long number that a "
                "spreadsheet has shortened, so that others may look the same; write the table "
                "again with this column as text"
            )
        label = self.labels.joined(image.label)
        self._check_class(place, label, image.class_number)
        session = "" if ids.is_unknown(image.session) else ids.normal(image.session)
        patient = self.patients.joined(image.patient_id)
        return replace(image, patient_id=patient, label=label, session=session)

    def _check_class(self, place: str, label: str, number: int | None) -> None:
        before = self._number_of.setdefault(label, number)
        other = self._label_of.setdefault(number, label)
        if before != number or (number is not None and other != label):
            raise UserError(
                f"{place} has the label {label!r} with the class number {number}, but before "
                + (f"it had {before}" if before != number else f"that was {other!r}")
                + "; each class needs one number and a name that differs in more than case"
            )
        if None in self._label_of and len(self._label_of) > 1:
            raise UserError(f"{place}: some labels have a class number and others none")

    def tell(self) -> int:
        """Print which names were joined; how many they are."""
        for what, names in (("patients", self.patients), ("labels", self.labels)):
            if names.several:
                print(
                    f"Note: {len(names.several)} {what} are written in several ways and are taken "
                    f"as one each, {names.told()}; where they are not one, rename them so that "
                    "they differ in more than case, zeros in front and invisible characters",
                    file=sys.stderr,
                )
        return len(self.patients.several) + len(self.labels.several)
