"""Figures with their captions as the page holds them, nothing beside it."""

import base64
import html
import re
import struct
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace

from markupsafe import Markup

PIXELS_PER_INCH = 96 / 150  # the figures are written with 150 dots per inch


@dataclass(frozen=True)
class Figure:
    """A figure as the page holds it."""

    name: str
    source: str
    """A data: address."""
    width: int
    height: int
    """CSS pixels at which the figure's letters have their own size."""
    caption: Markup


def figure(path: Path, captions: Path, system: str) -> Figure:
    """The PNG `path` with the caption `captions/<name>.rst`, where there is one."""
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    return Figure(
        name=path.stem,
        source="data:image/png;base64," + base64.b64encode(content).decode(),
        width=round(width * PIXELS_PER_INCH),
        height=round(height * PIXELS_PER_INCH),
        caption=caption(captions / f"{path.stem}.rst", system),
    )


def caption(path: Path, system: str) -> Markup:
    """A caption of `snakemake --report` (a Jinja template of reStructuredText, of which it uses
    paragraphs, emphasis and literals) as HTML."""
    import jinja2

    if not path.exists():
        return Markup("")
    template = jinja2.Template(path.read_text(encoding="utf-8"))
    text = template.render(snakemake=SimpleNamespace(config={"name": system}))
    paragraphs = []
    for paragraph in re.split(r"\n\s*\n", text.strip()):
        line = html.escape(" ".join(paragraph.split()))
        line = re.sub(r"``?(.+?)``?", r"<code>\1</code>", line)
        line = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", line)
        line = re.sub(r"\*(.+?)\*", r"<em>\1</em>", line)
        paragraphs.append(f"<p>{line}</p>")
    return Markup("".join(paragraphs))
