"""The stage that puts the compared train images once through this run's autoencoder.

Every synthetic image has come out of the autoencoder's decoder and lacks what that loses. Real
images that have gone the same way lack the same, so what still tells synthetic images from them is
the diffusion model's.
"""

from pathlib import Path

import numpy as np

from synthcohort.cohort import open_cohort
from synthcohort.files import atomic_file, read_json
from synthcohort.hardware import Hardware
from synthcohort.hardware.memory import Fitting, block_of
from synthcohort.latents.encode import reconstruct
from synthcohort.models import load_autoencoder
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
    model = load_autoencoder(autoencoder).to(device := hardware.open())
    shape = (len(rows), *data.images.shape[1:])
    fitting = Fitting(block_of(*shape[2:], hardware.micro_batch), "decoding")

    def decoded(place: slice) -> np.ndarray:
        return reconstruct(model, data.images[rows[place]], device)

    with atomic_file(out) as temporary, progress("Real images, decoded", len(rows)) as bar:
        made = np.lib.format.open_memmap(temporary, "w+", data.images.dtype, shape)
        for place, block in fitting.blocks(len(rows), decoded):
            made[place] = block
            bar.update(len(block))
        made.flush()
    journal.result(images_decoded=len(rows))
