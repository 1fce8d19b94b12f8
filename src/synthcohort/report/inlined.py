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


def figure(path: Path, told: Markup) -> Figure:
    """The PNG `path` with its caption."""
    content = path.read_bytes()
    width, height = struct.unpack(">II", content[16:24])
    return Figure(
        name=path.stem,
        source="data:image/png;base64," + base64.b64encode(content).decode(),
        width=round(width * PIXELS_PER_INCH),
        height=round(height * PIXELS_PER_INCH),
        caption=told,
    )


def caption(text: str, system: str) -> Markup:
    """A caption of `snakemake --report` (a Jinja template of reStructuredText, of which it uses
    paragraphs, emphasis and literals) as HTML."""
    import jinja2

    template = jinja2.Template(text)
    text = template.render(snakemake=SimpleNamespace(config={"name": system}))
    paragraphs = []
    for paragraph in filter(None, re.split(r"\n\s*\n", text.strip())):
        line = html.escape(" ".join(paragraph.split()))
        line = re.sub(r"``?(.+?)``?", r"<code>\1</code>", line)
        line = re.sub(r"\*\*(.+?)\*\*", r"<strong>\1</strong>", line)
        line = re.sub(r"\*(.+?)\*", r"<em>\1</em>", line)
        paragraphs.append(f"<p>{line}</p>")
    return Markup("".join(paragraphs))
