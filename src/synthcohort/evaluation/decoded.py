"""Real images put once through this run's autoencoder.

Every synthetic image has come out of the autoencoder's decoder and lacks what that loses. Real
images that have gone the same way lack the same, so what still tells synthetic images from them is
the diffusion model's.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.evaluation.material import Material
from synthcohort.files import atomic_file, read_json
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import Fitting, block_of
from synthcohort.progress import progress
from synthcohort.tracking.journal import Journal


def decode_sets(
    *,
    cohort: Path,
    split: Path,
    sets: Path,
    autoencoder: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Write `out` (npy): the images that `sets` names as "train", in its order, through the
    latent's mean and back; N×C×H×W uint8 or uint16 as the cohort, rounded as samples are."""
    data, rows = open_cohort(cohort, split), np.array(read_json(sets)["train"])
    with atomic_file(out) as temporary:
        _decode(temporary, data.images, rows, autoencoder, hardware)
    journal.result(images_decoded=len(rows))


@contextmanager
def decoded(
    material: Material, rows: np.ndarray, hardware: Hardware
) -> Iterator[np.ndarray | None]:
    """The same of the real images `rows` (of the manifest), memory-mapped from a file that is
    removed in the end; None where the system works on pixels, so that the material has no set
    "decoded"."""
    if "decoded" not in material.sets:
        yield None
        return
    material.work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=material.work) as temporary:
        path = Path(temporary) / "decoded.npy"
        _decode(path, material.cohort.images, rows, material.models["autoencoder"], hardware)
        yield np.load(path, mmap_mode="r", allow_pickle=False)


def _decode(
    path: Path, images: np.ndarray, rows: np.ndarray, autoencoder: Path, hardware: Hardware
) -> None:
    from synthcohort.latents.encode import reconstruct
    from synthcohort.models import load_autoencoder

    model = load_autoencoder(autoencoder).to(device := hardware.open())
    hardware.prepare(model, pays=False)
    shape = (len(rows), *images.shape[1:])
    fitting = Fitting(block_of(*shape[2:], hardware.micro_batch), "decoding")
    made = np.lib.format.open_memmap(path, "w+", images.dtype, shape)
    with progress("Real images, decoded", len(rows)) as bar:
        for place, block in fitting.blocks(
            len(rows), lambda place: reconstruct(model, images[rows[place]], device)
        ):
            made[place] = block
            bar.update(len(block))
    made.flush()
