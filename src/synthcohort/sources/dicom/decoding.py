"""The frames of one DICOM file, decoded by pydicom and the packages behind it."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.sources.dicom import greys
from synthcohort.sources.dicom.headers import Broken
from synthcohort.sources.dicom.source import Source
from synthcohort.sources.dicom.syntaxes import quiet, way

if TYPE_CHECKING:
    from pydicom import Dataset

_GREY = ("MONOCHROME1", "MONOCHROME2")
_SQUARE = 0.01  # how far the two sides of a pixel may differ


class Decoder:
    """An open file.

    Raises:
        Broken: it cannot be read.
    """

    def __init__(self, path: Path) -> None:
        from pydicom import dcmread
        from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, ImplicitVRLittleEndian

        with quiet():
            try:
                self.dataset: Dataset = dcmread(path, force=True)
                meta = self.dataset.file_meta
                if "TransferSyntaxUID" not in meta:  # a file without a preamble has no such header
                    implicit, little = self.dataset.original_encoding
                    explicit = ExplicitVRLittleEndian if little else ExplicitVRBigEndian
                    meta.TransferSyntaxUID = ImplicitVRLittleEndian if implicit else explicit
                self.colour = self.dataset.PhotometricInterpretation not in _GREY
                self.inverted = greys.inverted(self.dataset)
            except Exception:  # whatever a damaged file makes of pydicom; its words may hold ids
                raise Broken("it cannot be read, it is damaged or cut off") from None
        self._check_meaning()

    def stored(self, frame: int) -> np.ndarray:
        """The stored values of a frame, H×W, or H×W×3 RGB where the image is in colour.

        Raises:
            Broken: it cannot be decoded.
        """
        from pydicom.pixels import pixel_array

        syntax = self.dataset.file_meta.TransferSyntaxUID
        keywords = ("PixelData", "FloatPixelData", "DoubleFloatPixelData")
        if not any(keyword in self.dataset for keyword in keywords):
            # The header was read up to pixels that are not there now.
            raise Broken("it is cut off within its pixels")
        try:
            with quiet():
                return pixel_array(self.dataset, index=frame)
        except Exception as error:  # of any of the decoders
            words = " ".join(str(error).split())
            raise Broken(
                f"its pixels ({syntax.name}) cannot be decoded: {words}", way(syntax)
            ) from None

    def values(self, frame: int) -> np.ndarray:
        """What the values of a grey frame mean, H×W float32, as `greys.values` gives them.

        Raises:
            Broken: it cannot be decoded, or is in colour.
        """
        if self.colour:
            raise Broken(
                f"it is in colour ({self.dataset.PhotometricInterpretation}), which no slice of a "
                "volume is",
                "leave its series out by source.series, or take it out",
            )
        return self._meant(frame)

    def picture(self, frame: int, settings: Source) -> tuple[np.ndarray, str]:
        """A frame as it is looked at, and in words what decided on black and white: H×W float32
        over [0, 1], or H×W×3 uint8 in colour.

        Raises:
            Broken: it cannot be decoded, is constant, or its pixels are not square.
        """
        self._check_square()
        if self.colour:
            return self._rgb(self.stored(frame)), "their own colours"
        values = self._meant(frame)
        scale = self.scale(frame, settings)
        try:
            grey = scale(values)
        except ValueError as error:
            raise Broken(str(error), "take it out, or change source.percentiles") from None
        return 1 - grey if self.inverted else grey, scale.words

    def scale(self, frame: int, settings: Source) -> greys.Scale:
        """How the values of a frame become grey: by the window of the settings, else as the file
        says, else by percentiles. What it gives is to be turned where the file is `inverted`.

        Raises:
            Broken: the file's window or VOI LUT cannot be read.
        """
        if settings.window is not None:
            return greys.Window(*settings.window)
        with quiet():
            try:
                given = greys.given(self.dataset, frame)
            except Exception:  # whatever odd values make of it
                raise Broken("its VOI LUT or window cannot be read") from None
        return given or greys.between(settings.percentiles, self.inverted)

    def _meant(self, frame: int) -> np.ndarray:
        stored = self.stored(frame)
        with quiet():
            try:
                values = greys.values(stored, self.dataset, frame)
            except Exception:
                raise Broken("its Rescale Slope or Modality LUT cannot be read") from None
        if not np.isfinite(values).all():
            raise Broken("some of its values are NaN or infinite")
        return values

    def _rgb(self, pixels: np.ndarray) -> np.ndarray:
        from pydicom.pixels import apply_color_lut

        kind = self.dataset.PhotometricInterpretation
        if kind == "PALETTE COLOR":
            with quiet():
                pixels = apply_color_lut(pixels, self.dataset)
            # A table of 16 bits holds 8 bits twice, or shifted: the upper ones are all there is.
            return (pixels >> 8 if pixels.dtype.itemsize == 2 else pixels).astype(np.uint8)[..., :3]
        if pixels.dtype != np.uint8 or pixels.ndim != 3 or pixels.shape[2] != 3:
            raise Broken(
                f"it is in colour ({kind}) with {8 * pixels.itemsize} bits a channel, the shape "
                f"{pixels.shape}; expected RGB of 8 bits",
                "convert it, or take it out",
            )
        return pixels

    def _check_meaning(self) -> None:
        stored, high = self.dataset.get("BitsStored"), self.dataset.get("HighBit")
        plain = not self.dataset.file_meta.TransferSyntaxUID.startswith("1.2.840.10008.1.2.4")
        if plain and isinstance(stored, int) and isinstance(high, int) and high != stored - 1:
            raise Broken(
                f"its values are {stored} bits up to number {high} (Bits Stored, High Bit), which "
                "the standard no longer allows and decoders take for other values",
                "convert it so that High Bit is Bits Stored less 1, or take it out",
            )
        if self.dataset.get("PresentationLUTShape") == "INVERSE" and not self.inverted:
            raise Broken(
                "it contradicts itself: Photometric Interpretation is "
                f"{self.dataset.PhotometricInterpretation}, but Presentation LUT Shape is INVERSE, "
                "as only MONOCHROME1 has it",
                "look at it, and mend the tag that is wrong",
            )

    def _check_square(self) -> None:
        for keyword in ("PixelSpacing", "ImagerPixelSpacing", "PixelAspectRatio"):
            if sides := self.dataset.get(keyword):
                down, across = map(float, sides)
                if abs(down - across) > _SQUARE * max(down, across):
                    raise Broken(
                        f"its pixels are not square ({keyword} {down:g}\\{across:g})",
                        "resample it to square pixels, or take it out",
                    )
                return
