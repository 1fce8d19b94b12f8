"""Folders of pictures, written for the tests of the source `folder`, and read by it."""

from pathlib import Path

import numpy as np
import PIL.Image

from synthcohort.sources import folder

BY_FOLDER = r"(?P<label>[^/]+)/(?P<patient>p\d+)"
GREY = np.arange(48, dtype=np.uint8).reshape(6, 8)


def write(path: Path, pixels: np.ndarray = GREY, **options) -> Path:
    """A picture with these pixels; `options` go to Pillow."""
    path.parent.mkdir(parents=True, exist_ok=True)
    PIL.Image.fromarray(pixels).save(path, **options)
    return path


def write_three(root: Path) -> Path:
    """Two patients with three images, in folders named like their labels."""
    for name in ("b/p2_1.png", "a/p1_2.PNG", "a/p1_1.jpg"):
        write(root / name)
    return root


def table(path: Path, *lines: str) -> Path:
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def read(root: Path, **settings) -> list:
    return list(folder.read(folder.Source(root=root, **settings)))
