"""Which part of their type's range a cohort's pixels use: 12 bits in 16 come out nearly black."""

import sys
from pathlib import Path

import numpy as np

from synthcohort.errors import UserError, first

# An image is dark whose largest value is below this share of the range: 4095 of 65,535.
_DARK = 1 / 16
# One pixel of so many, and one at least, is not counted where it is four times as bright as all
# others: a detector's hot pixel does not make an image bright.
_HOT = 10_000
_CONVERT = "convert the images so that all of them use the whole range of 8 or 16 bits"


class UsedRange:
    """Scales the images of a cohort to the whole range of their type, and judges them in the end.

    `bits` is how many bits of a larger type the values use, None where nobody has said it; then
    16 are taken, and a cohort is refused that cannot have been meant so. `key` names the setting,
    "" where there is none.
    """

    def __init__(self, root: Path, bits: int | None = None, key: str = "") -> None:
        self._root, self._bits, self._key = root, bits, key
        self._seen: dict[int, list[tuple[str, int, float]]] = {8: [], 16: []}
        self._hot = 0  # the brightest of the pixels that are not counted

    def scaled(
        self, values: np.ndarray, name: str, *, own: int | None = None, inverted: bool = False
    ) -> np.ndarray:
        """Values from 0 to 65,535 of any integer type over the full range of uint8 or uint16.

        uint8 stays as it is. `own` is the number of bits that the file itself states where it is
        none of its type's; `inverted` values have white at 0. `name` is for messages.

        Raises:
            UserError: a value needs more than `bits`.
        """
        low, high = int(values.min()), int(values.max())
        depth = 8 if values.dtype == np.uint8 else 16
        bits = own or (8 if depth == 8 else self._bits or 16)
        full = 2**bits - 1
        if high > full:
            raise UserError(
                f"{name}: holds values up to {high}, more than {self._key}: {bits} can hold "
                f"({full}); raise it to {high.bit_length()}"
            )
        if low < high:  # an empty picture tells nothing
            short = name.removeprefix(f"{self._root}").lstrip("/: ")
            usual = _usual(values)
            self._hot = max(self._hot, high if usual < high and depth == 16 else 0)
            self._seen[depth].append((short, usual, usual / full))
        top = 255 if bits <= 8 else 65535
        if inverted:
            values = full - values.astype(np.int64)
        if full != top:
            values = (values.astype(np.int64) * top + full // 2) // full
        return values.astype(np.uint8 if top == 255 else np.uint16, copy=False)

    def judge(self) -> None:
        """Say what the cohort as a whole shows, once all its images have been scaled.

        Raises:
            UserError: nobody has said how many bits are used, and it cannot be all 16.
        """
        if (eight := self._seen[8]) and max(share for *_, share in eight) < _DARK:
            self._note(
                f"no 8-bit image has a value above {max(high for _, high, _ in eight)} of 255: "
                f"they come out nearly black; {_CONVERT}"
            )
        sixteen = self._seen[16]
        largest = max((high for _, high, _ in sixteen), default=0)
        wholly = largest and max(share for *_, share in sixteen) < 0.5
        dark = [
            f"{name} (up to {high})"
            for name, high, share in sixteen
            if (high * 16 <= largest if wholly else share < _DARK)
        ]
        few = f"{len(dark)} images stay below 1/16 of that, {first(dark)}" if dark else ""
        if self._bits is None and wholly:
            apart = f", but for single pixels up to {self._hot}" if self._hot else ""
            least = f"{largest.bit_length()} (the least that holds them) or "
            self._refuse(
                f"no image of 16 bits or more has a value above {largest} of 65535{apart}: all "
                f"would come out dark{f'; {few}' if few else ''}",
                f"{'' if self._hot else least}16 (taken as they are)",
            )
        elif self._bits is None and dark:
            self._refuse(
                f"images of 16 bits or more have values up to {largest}, but {few}, and would come "
                "out nearly black, as images of fewer bits do",
                "16 (all are taken as they are)",
            )
        elif dark:
            self._note(f"images have values up to {largest}, but {few}: they come out nearly black")

    def _refuse(self, told: str, choice: str) -> None:
        key = f", or say how many bits are used, {self._key}: {choice}" if self._key else ""
        raise UserError(f"{self._root}: {told}; {_CONVERT}{key}")

    def _note(self, text: str) -> None:
        print(f"Note: {self._root}: {text}", file=sys.stderr, flush=True)


def _usual(values: np.ndarray) -> int:
    """The largest value, or the next where a few pixels alone are far above it."""
    flat = values.ravel()
    place = max(0, flat.size - 2 - flat.size // _HOT)
    high, rest = int(flat.max()), int(np.partition(flat, place)[place])
    return rest if 0 < 4 * rest < high else high
