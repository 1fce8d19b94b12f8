"""Real images put once through this run's autoencoder, which the synthetic ones all have come
through."""

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np

from synthcohort.evaluation.material import Material
from synthcohort.hardware import Hardware


@contextmanager
def decoded(
    material: Material, rows: np.ndarray, hardware: Hardware
) -> Iterator[np.ndarray | None]:
    """The real images `rows` (of the manifest) through the latent's mean and back, N×C×H×W in the
    cohort's dtype, memory-mapped from a file that is removed in the end; None where the system
    works on pixels, so that the material has no set "decoded"."""
    if "decoded" not in material.sets:
        yield None
        return
    from synthcohort.hardware.memory import Fitting, block_of
    from synthcohort.latents.encode import reconstruct
    from synthcohort.models import load_autoencoder

    images, device = material.cohort.images, hardware.open()
    model = load_autoencoder(material.models["autoencoder"]).to(device)
    material.work.mkdir(parents=True, exist_ok=True)
    with TemporaryDirectory(dir=material.work) as temporary:
        shape = (len(rows), *images.shape[1:])
        made = np.lib.format.open_memmap(
            Path(temporary) / "decoded.npy", mode="w+", dtype=images.dtype, shape=shape
        )
        fitting = Fitting(block_of(*shape[2:], hardware.micro_batch), "decoding")
        for place, block in fitting.blocks(
            len(rows), lambda place: reconstruct(model, images[rows[place]], device)
        ):
            made[place] = block
        yield made
