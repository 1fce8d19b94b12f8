"""From decoded pixels to grey values over [0, 1]: Rescale, VOI LUT or window, and inversion."""

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

if TYPE_CHECKING:
    from pydicom import Dataset


@dataclass(frozen=True)
class Window:
    """Which values become black and white: DICOM's centre and width, and the function between."""

    words: ClassVar[str] = "a window"
    centre: float
    width: float
    function: str = "LINEAR"

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """float32 over [0, 1] (PS3.3 C.11.2.1.2 and C.11.2.1.3)."""
        if self.function == "SIGMOID":
            exponent = np.clip(-4 * (values - self.centre) / self.width, -80, 80)
            return (1 / (1 + np.exp(exponent))).astype(np.float32)
        # A linear window ends at the middle of its last grey value, an exact one at its edge.
        inset = 0.5 if self.function == "LINEAR" else 0
        centre, width = self.centre - inset, self.width - 2 * inset
        if width == 0:
            return (values > centre).astype(np.float32)
        return np.clip((values - centre) / width + 0.5, 0, 1).astype(np.float32)


@dataclass(frozen=True)
class Table:
    """A VOI LUT: a grey value for every stored value, the first of which is `start`."""

    words: ClassVar[str] = "a VOI LUT"
    start: int
    greys: tuple[int, ...]
    white: int

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """float32 over [0, 1]."""
        places = np.clip(np.rint(values) - self.start, 0, len(self.greys) - 1).astype(np.int64)
        return (np.array(self.greys, np.float32) / self.white)[places]


@dataclass(frozen=True)
class Percentiles:
    """Two percentiles of the values become black and white."""

    words: ClassVar[str] = "percentiles"
    low: float
    high: float

    def __call__(self, values: np.ndarray) -> np.ndarray:
        """float32 over [0, 1].

        Raises:
            ValueError: the two are the same value.
        """
        black, white = np.percentile(values, (self.low, self.high))
        if black == white:
            raise ValueError(
                f"the percentiles {self.low:g} and {self.high:g} of its values are both {black:g}: "
                "it is constant, or nearly"
            )
        return np.clip((values - black) / (white - black), 0, 1).astype(np.float32)


Scale = Window | Table | Percentiles


def between(percentiles: tuple[float, float], inverted: bool) -> Percentiles:
    """What makes black and white of two percentiles of how bright values are."""
    black, white = percentiles
    return Percentiles(100 - white, 100 - black) if inverted else Percentiles(black, white)


def values(stored: np.ndarray, dataset: "Dataset", frame: int) -> np.ndarray:
    """What stored pixels mean, float32: after Rescale or a Modality LUT; padding is the darkest."""
    from pydicom.pixels import apply_modality_lut

    padding = _padding(stored, dataset)
    transform = group(dataset, frame, "PixelValueTransformationSequence", "RescaleSlope")
    of = dataset if transform is None else transform
    meant = apply_modality_lut(stored, of).astype(np.float32)
    if padding is not None and padding.any() and not padding.all():
        rest = meant[~padding]
        meant[padding] = rest.max() if inverted(dataset) else rest.min()
    return meant


def inverted(dataset: "Dataset") -> bool:
    """Whether small values are white, so that what was scaled has to be turned."""
    return dataset.PhotometricInterpretation == "MONOCHROME1"


def given(dataset: "Dataset", frame: int) -> Scale | None:
    """The VOI LUT or the window in the file, the first of several."""
    if tables := dataset.get("VOILUTSequence"):
        return _table(tables[0], dataset)
    of = group(dataset, frame, "FrameVOILUTSequence", "WindowCenter")
    of = dataset if of is None else of
    centre, width = (_first(of.get(key)) for key in ("WindowCenter", "WindowWidth"))
    function = str(of.get("VOILUTFunction") or "LINEAR").upper()
    if centre is None or width is None or width <= 0 or (width < 1 and function == "LINEAR"):
        return None
    return Window(centre, width, function)


def group(dataset: "Dataset", frame: int, sequence: str, keyword: str) -> Any:
    """The item of a frame's functional groups, or of those that all share, that has `keyword`."""
    each = dataset.get("PerFrameFunctionalGroupsSequence")
    shared = dataset.get("SharedFunctionalGroupsSequence")
    for of in ([each[frame]] if each else []) + ([shared[0]] if shared else []):
        for item in of.get(sequence) or []:
            if item.get(keyword) is not None:
                return item
    return None


def _table(item: "Dataset", dataset: "Dataset") -> Table:
    data = item["LUTData"].value
    greys = list(np.frombuffer(data, "<u2").tolist() if isinstance(data, bytes) else data)
    start = _signed(item.LUTDescriptor[1], dataset)
    # The bits that the table says it has are often more than it uses.
    return Table(start, tuple(greys), max(1, 2 ** max(greys).bit_length() - 1))


def _signed(value: int, dataset: "Dataset") -> int:
    """A stored value that writers may have put, though negative, into an unsigned element."""
    return value - 2**16 if dataset.PixelRepresentation == 1 and value >= 2**15 else value


def _padding(stored: np.ndarray, dataset: "Dataset") -> np.ndarray | None:
    first = dataset.get("PixelPaddingValue")
    if first is None:
        return None
    last = _signed(dataset.get("PixelPaddingRangeLimit", first), dataset)
    first = _signed(first, dataset)
    return (stored >= min(first, last)) & (stored <= max(first, last))


def _first(value: Any) -> float | None:
    values = value if hasattr(value, "__len__") and not isinstance(value, str) else [value]
    return float(values[0]) if len(values) and values[0] not in (None, "") else None
