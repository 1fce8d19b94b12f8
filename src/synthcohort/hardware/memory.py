"""How many images go through a network at once: what is bounded, and less where memory is short."""

from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeVar

from synthcohort.errors import UserError
from synthcohort.hardware.telling import once

if TYPE_CHECKING:
    import numpy as np

Made = TypeVar("Made")

PIXELS = 2**21
"""The most pixels of images that go through a network at once where there are no gradients: 32
images of 256×256."""
IMAGES = 256
"""The most images, however small."""


def block_of(height: int, width: int, micro_batch: int = 0) -> int:
    """Images of height×width in a block: at least 1, at most `micro_batch` (0: no matter)."""
    bounds = [IMAGES, PIXELS // (height * width), *([micro_batch] if micro_batch else [])]
    return max(min(bounds), 1)


@dataclass
class Fitting:
    """A number of images that is halved where the GPU's memory does not hold what they take."""

    images: int
    what: str
    """What they go through, in words."""
    tell: Callable[[int], None] = lambda images: None
    """Told the number where it has become smaller."""

    def run(self, call: Callable[[], Made], of: int) -> Made:
        """What `call` gives that puts `of` images through, `images` at once; called again, with
        fewer at once, where memory is short.

        Raises:
            UserError: one image does not fit.
        """
        import torch

        while True:
            try:
                return call()
            except torch.OutOfMemoryError:
                pass
            # Only here is what `call` had made released: the error holds on to it.
            self._halve(of)

    def blocks(self, count: int, call: Callable[[slice], Made]) -> Iterator[tuple[slice, Made]]:
        """The places 0…count−1 block by block, each with what `call` makes of it; a block that
        does not fit is begun again as two."""
        start = 0
        while start < count:

            def block(start: int = start) -> tuple[slice, Made]:
                place = slice(start, min(start + self.images, count))
                return place, call(place)

            place, made = self.run(block, count - start)
            yield place, made
            start = place.stop

    def _halve(self, of: int) -> None:
        import torch

        if (most := min(self.images, of)) == 1:
            raise UserError(
                f"{self.what}: the GPU's memory does not hold what one image takes. Free the GPU "
                "of other programs (nvidia-smi shows them) or take one with more memory; otherwise "
                "set recompute: true in the training's section, choose a smaller network "
                "(channels) or smaller images (prepare.size), or go on without the GPU: "
                "--device cpu (SYNTHCOHORT_DEVICE=cpu)"
            )
        self.images = (most + 1) // 2
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        once(
            f"{self.what}: the GPU's memory is short; {self.images} images at once from here on, "
            "which is slower and changes results by no more than rounding. To begin with so many: "
            f"--micro-batch {self.images} (SYNTHCOHORT_MICRO_BATCH={self.images})"
        )
        self.tell(self.images)


def mean_of(found: Iterable[tuple[slice, "np.ndarray"]], count: int) -> list[float]:
    """The means over `count` images, where `found` gives the means of blocks of them."""
    return list(sum(means * ((place.stop - place.start) / count) for place, means in found))


@contextmanager
def told_when_short(what: str, remedy: Callable[[], str]) -> Iterator[None]:
    """Turn what else does not fit into the GPU's memory into a UserError with what to do."""
    import torch

    try:
        yield
    except torch.OutOfMemoryError as error:
        told = str(error).splitlines()[0]
        raise UserError(f"{what}: the GPU's memory is short ({told}); {remedy()}") from None
