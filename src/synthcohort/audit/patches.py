"""Which train image an image repeats in most of its patches, whatever the rest of it shows.

A piece that is cut out, a half of another image or a bend of the whole spoils every likeness of
whole images, but not that of the patches that it leaves. So each of 4×4 patches is compared with
the same patch of every train image, by its texture and up to a 24th of the side away, and the
patches that are least alike don't count.
"""

import numpy as np
import torch
from torch.nn import functional

from synthcohort.audit.alignment import ROUNDING, resized
from synthcohort.audit.registration import texture
from synthcohort.cohort import blocks
from synthcohort.hardware import Hardware
from synthcohort.progress import progress

ALONG = 4
# Pixels a side at which images are compared, and the shifts there: coarse for small images, and
# where there are so many train images that fine would take hours.
FINE, COARSE = (48, (-2, -1, 0, 1, 2)), (24, (-1, 0, 1))
SMALL, MANY = 32, 20_000
# Of the sixteen patches, how many count.
COUNTED = 12
# The texture, root-mean-square, below which a patch is alike by chance.
FAINT = 0.3
# So few at once that their likenesses stay in a core's cache.
QUERIES, REFERENCES = 128, 256


def most_alike(
    queries: np.ndarray, references: np.ndarray, patients: np.ndarray, hardware: Hardware
) -> tuple[np.ndarray, np.ndarray]:
    """Of N×C×H×W `queries` (uint8 or uint16) the most alike of the M `references`: N float64, how
    far its likeness stands above that of any other of the `patients` (M) as `alignment.margins` has
    it (0 where there is one patient), and N int64, its place."""
    device, number = hardware.exact().open(), np.unique(patients, return_inverse=True)[1]
    coarse = len(references) > MANY or min(references.shape[2:]) <= SMALL
    side, shifts = COARSE if coarse else FINE
    margin = max(shifts)
    of, every = torch.from_numpy(number).to(device), np.arange(len(references))
    against = [
        _patches(_textures(references[r], side, device)).transpose(1, 2)
        for r in blocks(every, REFERENCES)
    ]
    scores, places = [], []
    with progress("Copies in patches", len(queries)) as bar:
        for rows in blocks(np.arange(len(queries)), QUERIES):
            wide = functional.pad(_textures(queries[rows], side, device), (margin,) * 4)
            moved = [
                _patches(wide[:, y : y + side, x : x + side])
                for y in (margin + shift for shift in shifts)
                for x in (margin + shift for shift in shifts)
            ]
            alike = torch.cat([_likeness(moved, part) for part in against], 1)
            best, place = alike.max(1)
            rival = alike.masked_fill(of == of[place, None], -torch.inf).amax(1)
            above = (best - rival) / (1 - best).clamp_min(ROUNDING).sqrt()
            scores.append(torch.where(rival.isfinite(), above, 0).double().cpu().numpy())
            places.append(place.cpu().numpy())
            bar.update(len(rows))
    return np.concatenate(scores), np.concatenate(places)


def _likeness(moved: list[torch.Tensor], part: torch.Tensor) -> torch.Tensor:
    """n×m: the mean correlation of the patches that count, each at its best shift."""
    best = moved[0] @ part
    for patches in moved[1:]:
        torch.maximum(best, patches @ part, out=best)
    return best.topk(COUNTED, dim=0).values.mean(0)


def _textures(images: np.ndarray, side: int, device: torch.device) -> torch.Tensor:
    grey = images.mean(1, dtype=np.float32) / np.iinfo(images.dtype).max
    return texture(resized(torch.from_numpy(grey).to(device), side, side))


def _patches(images: torch.Tensor) -> torch.Tensor:
    """N×S×S as 16×N×(S/4)², each patch of norm 1 or, where it has hardly any texture, less."""
    side = images.shape[-1] // ALONG
    parted = images.reshape(len(images), ALONG, side, ALONG, side).permute(1, 3, 0, 2, 4)
    parted = parted.reshape(ALONG**2, len(images), side**2)
    return parted / parted.norm(dim=2, keepdim=True).clamp_min(FAINT * side)
