"""Whether an image is what this train image would be, moved like that and then put through the
autoencoder.

The autoencoder knows images as the cohort has them. Of one that lies elsewhere it makes something
else than it makes of the image where it was, so that laying the two over each other is not enough.
Here the train image is moved first, as the alignment says, its grey values are changed as they have
been in the other, it is blurred or not, and both have been decoded once.
"""

from collections.abc import Callable, Iterator

import numpy as np
import torch

from synthcohort.audit.disguises import blurred, per_pixel, warped
from synthcohort.audit.registration import texture
from synthcohort.hardware import Hardware
from synthcohort.progress import progress

BLOCK = 128
# Pixels that it is blurred by.
BLURS = (0.0, 2.0)
DEGREE = 3
# Whole pixels that the alignment may have been wrong by.
REACH = 1


def reenacted(
    queries: np.ndarray,
    images: np.ndarray,
    train: np.ndarray,
    pairs: np.ndarray,
    how: np.ndarray,
    through: Callable[[np.ndarray], np.ndarray],
    hardware: Hardware,
) -> np.ndarray:
    """P float64: 1 − correlation of textures, of P `pairs` (P×2: a row of `queries`, a place among
    the rows `train` of `images`; N×C×H×W uint8 or uint16 both) aligned as `how` says
    (`alignment.Aligned.how`)."""
    device, top = hardware.open(), np.iinfo(images.dtype).max
    missing = np.empty(len(pairs))
    with progress("Re-enactment", len(pairs), unit="pair") as bar:
        for start in range(0, len(pairs), BLOCK):
            place = slice(start, start + BLOCK)
            query, reference = pairs[place].T
            original = torch.from_numpy(images[train[reference]].astype(np.float32) / top)
            other = queries[query]
            moved = _moved(original, how[place])
            target = torch.from_numpy(other.astype(np.float32) / top)
            seen = texture(target.mean(1).to(device))
            best = torch.full((len(query),), -1.0, device=device)
            for made in _variants(moved, target):
                whole = through((made * top).round().numpy().astype(images.dtype))
                grey = torch.from_numpy(whole.mean(1, dtype=np.float32) / top).to(device)
                best = torch.maximum(best, _correlation(texture(grey), seen))
            missing[place] = 1 - best.double().cpu().numpy()
            bar.update(len(query))
    return missing


def _moved(images: torch.Tensor, how: np.ndarray) -> torch.Tensor:
    """N×C×H×W in [0, 1], each as its row of `how` says."""
    told = {name: torch.from_numpy(how[name].copy()) for name in how.dtype.names if name != "part"}
    mirrored, inverted = (told[name][:, None, None, None] for name in ("mirrored", "inverted"))
    across = torch.where(told["mirrored"], -told["across"], told["across"])
    shift = torch.stack([across, told["down"]], 1) / per_pixel(images)
    made = warped(images, angle=-told["angle"], zoom=told["size"], shift=shift)
    made = torch.where(mirrored, made.flip(3), made)
    return torch.where(inverted, 1 - made, made)


def _variants(moved: torch.Tensor, target: torch.Tensor) -> Iterator[torch.Tensor]:
    """N×C×H×W in [0, 1]: the images as they are, and with the grey values of the `target`s, by a
    polynomial of theirs, and blurred before."""
    yield moved
    for sigma in BLURS:
        soft = blurred(moved, sigma) if sigma else moved
        flat = soft.flatten(1).double()
        powers = torch.stack([flat**power for power in range(DEGREE + 1)], 2)
        small = 1e-6 * torch.eye(DEGREE + 1, dtype=torch.float64)
        inner = powers.transpose(1, 2) @ powers / flat.shape[1] + small
        outer = powers.transpose(1, 2) @ target.flatten(1).double()[..., None] / flat.shape[1]
        fitted = powers @ torch.linalg.solve(inner, outer)
        yield fitted[..., 0].float().view(moved.shape).clamp(0, 1)


def _correlation(first: torch.Tensor, second: torch.Tensor) -> torch.Tensor:
    """N: the highest over shifts of N×H×W by up to a pixel, of what overlaps."""
    height, width = first.shape[1:]
    inner = first[:, REACH : height - REACH, REACH : width - REACH].flatten(1)
    found = []
    for y in range(2 * REACH + 1):
        for x in range(2 * REACH + 1):
            other = second[:, y : height - 2 * REACH + y, x : width - 2 * REACH + x].flatten(1)
            scale = inner.norm(dim=1) * other.norm(dim=1)
            found.append((inner * other).sum(1) / scale.clamp_min(1e-6))
    return torch.stack(found).amax(0)
