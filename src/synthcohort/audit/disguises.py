"""What a train image may look like in a synthetic set: moved, bent, recoloured, mixed, in part.

Images are N×C×H×W float32 tensors in [0, 1]; lengths are in pixels of an image whose shorter side
has 48, and grow with it. `DISGUISES` are the fixed ones of the audit's table; `composed` draws
random ones, several at once, of all sizes, for training a detector. Each function takes the images,
as many images of others (for mixing) and a generator, and gives images of the same shape.
"""

from collections.abc import Callable

import numpy as np
import torch
from torch.nn import functional as F

SIDE = 48
Disguise = Callable[[torch.Tensor, torch.Tensor, np.random.Generator], torch.Tensor]


def uniform(random: np.random.Generator, low: float, high: float, *shape: int) -> torch.Tensor:
    """float32 of the shape, uniform between the two."""
    return torch.from_numpy(random.uniform(low, high, shape).astype(np.float32))


def normal(random: np.random.Generator, *shape: int) -> torch.Tensor:
    """float32 of the shape, standard normal."""
    return torch.from_numpy(random.standard_normal(shape, dtype=np.float32))


def per_pixel(images: torch.Tensor) -> float:
    """How many pixels of these images one pixel at a side of 48 is."""
    return min(images.shape[2:]) / SIDE


def warped(
    images: torch.Tensor,
    *,
    angle: torch.Tensor | float = 0.0,
    zoom: torch.Tensor | float = 1.0,
    stretch: torch.Tensor | float = 1.0,
    shear: torch.Tensor | float = 0.0,
    shift: torch.Tensor | tuple[float, float] = (0.0, 0.0),
    bend: torch.Tensor | None = None,
    mode: str = "bicubic",
    beyond: str = "border",
) -> torch.Tensor:
    """Turned (degrees), enlarged, stretched (across), sheared, shifted (N×2 or a pair, pixels to
    the right and down) and bent (N×H×W×2 pixels); `beyond` the border as torch's grid_sample."""
    count, _, height, width = images.shape

    def of_each(value: torch.Tensor | float) -> torch.Tensor:
        return torch.as_tensor(value, dtype=torch.float32).expand(count)

    turn, zoom, stretch, shear = (
        of_each(value) for value in (torch.deg2rad(torch.as_tensor(angle)), zoom, stretch, shear)
    )
    shift = torch.as_tensor(shift, dtype=torch.float32).expand(count, 2) * per_pixel(images)
    # From where each pixel is taken, in pixels from the centre: the inverse of what is done.
    y, x = torch.meshgrid(
        torch.arange(height) - (height - 1) / 2,
        torch.arange(width) - (width - 1) / 2,
        indexing="ij",
    )
    x, y = x - shift[:, 0, None, None], y - shift[:, 1, None, None]
    cos, sin = (part[:, None, None] for part in (turn.cos(), turn.sin()))
    x, y = cos * x + sin * y, cos * y - sin * x
    x = (x + shear[:, None, None] * y) / (zoom * stretch)[:, None, None]
    y = y / zoom[:, None, None]
    if bend is not None:
        x, y = x + bend[..., 0], y + bend[..., 1]
    grid = torch.stack([2 * x / width, 2 * y / height], -1).to(images.device)
    return F.grid_sample(images, grid, mode, beyond, align_corners=False).clamp(0, 1)


def bending(
    images: torch.Tensor, size: torch.Tensor | float, random: np.random.Generator, knots: int = 6
) -> torch.Tensor:
    """N×H×W×2: smooth random displacements with a root-mean-square of `size` pixels."""
    count, _, *sides = images.shape
    field = normal(random, count, 2, knots, knots)
    field = F.interpolate(field, tuple(sides), mode="bicubic", align_corners=True)
    field = field / field.square().sum(1, keepdim=True).mean((2, 3), keepdim=True).sqrt()
    size = torch.as_tensor(size, dtype=torch.float32).expand(count)
    return (field * size[:, None, None, None] * per_pixel(images)).permute(0, 2, 3, 1)


def blurred(images: torch.Tensor, sigma: float) -> torch.Tensor:
    """By a Gaussian of `sigma` pixels."""
    sigma = sigma * per_pixel(images)
    reach = min(max(1, int(3 * sigma + 0.5)), min(images.shape[2:]) - 1)
    bell = torch.exp(-0.5 * (torch.arange(-reach, reach + 1) / max(sigma, 1e-3)) ** 2)
    bell = (bell / bell.sum()).to(images.device)
    flat = images.flatten(0, 1)[:, None]
    flat = F.conv2d(F.pad(flat, (reach,) * 4, mode="reflect"), bell[None, None, :, None])
    return F.conv2d(flat, bell[None, None, None]).view(images.shape)


def noised(images: torch.Tensor, deviation: float, random: np.random.Generator) -> torch.Tensor:
    """With Gaussian noise, in shares of the grey range."""
    noise = normal(random, *images.shape).to(images.device)
    return (images + deviation * noise).clamp(0, 1)


def _side(images: torch.Tensor, others: torch.Tensor, rows: slice, columns: slice) -> torch.Tensor:
    made = others.clone()
    made[:, :, rows, columns] = images[:, :, rows, columns]
    return made


def _left(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return _side(images, others, slice(None), slice(images.shape[3] // 2))


def _top(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    return _side(images, others, slice(images.shape[2] // 2), slice(None))


def _middle(images: torch.Tensor, others: torch.Tensor) -> torch.Tensor:
    height, width = images.shape[2:]
    inner = slice(height // 8, height - height // 8), slice(width // 8, width - width // 8)
    return _side(images, others, *inner)


def _cut_out(images: torch.Tensor) -> torch.Tensor:
    height, width = images.shape[2:]
    made = images.clone()
    made[:, :, height // 3 : height // 3 * 2, width // 3 : width // 3 * 2] = 0
    return made


def _turned(images: torch.Tensor) -> torch.Tensor:
    """By a quarter, or by two where that would change the shape."""
    square = images.shape[2] == images.shape[3]
    return images.rot90(1 if square else 2, (2, 3))


def _all_at_once(images: torch.Tensor) -> torch.Tensor:
    return warped(images**1.4, angle=2, zoom=1.03)


# Name, as people read it, and what is done. None are drawn by `composed` as they stand here.
DISGUISES: dict[str, Disguise] = {
    "as it is": lambda x, o, r: x,
    "brighter": lambda x, o, r: (x + 0.15).clamp(0, 1),
    "less contrast": lambda x, o, r: 0.5 + 0.6 * (x - 0.5),
    "gamma 0.7": lambda x, o, r: x**0.7,
    "gamma 1.4": lambda x, o, r: x**1.4,
    "4 grey values": lambda x, o, r: (x * 3).round() / 3,
    "inverted": lambda x, o, r: 1 - x,
    "noise 10 %": lambda x, o, r: noised(x, 0.1, r),
    "blur 1 px": lambda x, o, r: blurred(x, 1),
    "blur 2 px": lambda x, o, r: blurred(x, 2),
    "sharpened": lambda x, o, r: (x + 1.5 * (x - blurred(x, 1))).clamp(0, 1),
    "mirrored": lambda x, o, r: x.flip(3),
    "upside down": lambda x, o, r: x.flip(2),
    "turned by quarters": lambda x, o, r: _turned(x),
    "turned 3°": lambda x, o, r: warped(x, angle=3),
    "turned 6°": lambda x, o, r: warped(x, angle=6),
    "zoom −10 %": lambda x, o, r: warped(x, zoom=0.9),
    "zoom +5 %": lambda x, o, r: warped(x, zoom=1.05),
    "zoom +10 %": lambda x, o, r: warped(x, zoom=1.1),
    "shift 2 px": lambda x, o, r: warped(x, shift=(2, 0)),
    "shift 3 px": lambda x, o, r: warped(x, shift=(0, 3)),
    "shift 4 px": lambda x, o, r: warped(x, shift=(-4, 0)),
    "elastic 0.5 px": lambda x, o, r: warped(x, bend=bending(x, 0.5, r)),
    "elastic 1 px": lambda x, o, r: warped(x, bend=bending(x, 1, r)),
    "elastic 2 px": lambda x, o, r: warped(x, bend=bending(x, 2, r)),
    "gamma 1.4, turned 2°, zoom +3 %": lambda x, o, r: _all_at_once(x),
    "mixed 0.8 to 0.2": lambda x, o, r: 0.8 * x + 0.2 * o,
    "mixed half and half": lambda x, o, r: 0.5 * x + 0.5 * o,
    "left half of it": lambda x, o, r: _left(x, o),
    "upper half of it": lambda x, o, r: _top(x, o),
    "all but its border": lambda x, o, r: _middle(x, o),
    "with a piece cut out": lambda x, o, r: _cut_out(x),
}


def composed(
    images: torch.Tensor, others: torch.Tensor, random: np.random.Generator
) -> torch.Tensor:
    """Each image of a batch in a disguise of its own: several of the above at once, at random
    sizes. The kinds that cost a pass over the batch (blur, the border) are drawn for the batch."""
    count = len(images)

    def some(share: float) -> torch.Tensor:
        return torch.from_numpy(random.random((count, 1, 1, 1)) < share).to(images.device)

    def amount(low: float, high: float) -> torch.Tensor:
        return uniform(random, low, high, count, 1, 1, 1).to(images.device)

    made = images
    mixed = amount(0.5, 1)
    made = torch.where(some(0.2), mixed * made + (1 - mixed) * others, made)
    made = torch.where(some(0.2), _pieced(made, others, random), made)
    strength = torch.from_numpy((random.random(count) < 0.8).astype(np.float32))
    bent = uniform(random, 0, 2.5, count) * torch.from_numpy(random.random(count) < 0.5)
    made = warped(
        made,
        angle=uniform(random, -10, 10, count) * strength,
        zoom=1 + uniform(random, -0.14, 0.16, count) * strength,
        stretch=1 + uniform(random, -0.06, 0.06, count) * strength,
        shear=uniform(random, -0.08, 0.08, count) * strength,
        shift=uniform(random, -5, 5, count, 2) * strength[:, None],
        bend=bending(made, bent, random, int(random.integers(4, 10))),
        mode="bilinear",
        beyond=("border", "zeros", "reflection")[random.integers(3)],
    )
    made = torch.where(some(0.7), made.clamp(1e-4, 1) ** amount(-0.7, 0.7).exp(), made)
    made = torch.where(some(0.5), amount(-0.2, 0.2) + amount(0.5, 1.4) * made, made).clamp(0, 1)
    slope = F.interpolate(
        normal(random, count, 1, 3, 3), tuple(made.shape[2:]), mode="bicubic", align_corners=True
    )
    made = torch.where(some(0.2), made * (0.3 * slope.to(made.device)).exp(), made).clamp(0, 1)
    softer = blurred(made, float(random.uniform(0.3, 2.4)))
    made = torch.where(some(0.3), softer, made)
    made = torch.where(some(0.1), (made + 1.5 * (made - softer)).clamp(0, 1), made)
    noise = normal(random, *made.shape).to(made.device)
    return torch.where(some(0.25), made + amount(0, 0.12) * noise, made).clamp(0, 1)


def _pieced(
    images: torch.Tensor, others: torch.Tensor, random: np.random.Generator
) -> torch.Tensor:
    """A rectangle of each image, half of it or more, in another image or in one grey."""
    height, width = images.shape[2:]
    made = []
    for image, other in zip(images, others, strict=True):
        rows, columns = (
            slice(start, start + length)
            for start, length in (
                _stretch(height, random),
                _stretch(width, random),
            )
        )
        ground = other if random.random() < 0.6 else torch.full_like(other, random.random())
        kept, around = (image, ground) if random.random() < 0.8 else (ground, image)
        piece = around.clone()
        if kept is ground:
            rows, columns = (
                slice(rows.start, rows.start + height // 3),
                slice(columns.start, columns.start + width // 3),
            )
        piece[:, rows, columns] = kept[:, rows, columns]
        made.append(piece)
    return torch.stack(made)


def _stretch(side: int, random: np.random.Generator) -> tuple[int, int]:
    length = side if random.random() < 0.4 else int(side * random.uniform(0.5, 1))
    return int(random.integers(side - length + 1)), length
