"""What the dataset card says of use, rights, citation and releases."""

from synthcohort.config import Config
from synthcohort.export import given_weights
from synthcohort.export.statement import Statement

USE = (
    "For developing and teaching methods of image analysis, for testing software, and for planning "
    "studies."
)
NOT_FOR = (
    "Not for diagnosis, nor for any decision about a patient; not for conclusions about the "
    "frequency or appearance of disease."
)
NOT_TO_IDENTIFY = (
    "Do not try to re-identify anybody from these images, nor to find out whether somebody's "
    "images were in the training; who comes upon such a thing by chance tells the maker and nobody "
    "else."
)
BIASES = (
    "The images show what the model has learnt from one cohort, with that cohort's biases and with "
    "errors of its own."
)
LABELS = "A label says what the model was asked for, not what an expert has seen."
LIMITS = (
    "Rare findings may be missing, wrong or invented. Results that matter have to be confirmed on "
    "real images."
)


def sections(stated: Statement, system: Config) -> str:
    """The card's last sections."""
    parts = (_use(), _terms(stated, system), _citation(stated), _releases(stated, system))
    return "\n".join(parts)


def citation(stated: Statement) -> str:
    """The dataset as BibTeX."""
    fields = {
        "title": f"{{{stated.title}}}",
        "author": f"{{{stated.creator}}}" if stated.creator else "",
        "year": stated.date[:4],
        "version": stated.version,
        "url": stated.url,
        "note": f"Synthetic dataset, made with {stated.software.name} {stated.software.version}, "
        f"content sha256 {stated.content}",
    }
    lines = [f"  {name:7} = {{{value}}}" for name, value in fields.items() if value]
    return "\n".join([f"@misc{{{stated.name},", ",\n".join(lines), "}"])


def _use() -> str:
    return f"""## Intended use and limits

{USE} **{NOT_FOR}** {BIASES}
{LABELS} {LIMITS}

**{NOT_TO_IDENTIFY}**
"""


def _terms(stated: Statement, system: Config) -> str:
    origin = stated.origin
    gate = (
        f"""
**This dataset is derived from restricted data.** Its maker acknowledged these terms
(`export.acknowledge: {system.export.acknowledge}`): that they, and those who gave access to the
real images, let it be passed on. Whoever passes it on has to see that this holds for them, too.
"""
        if origin.gated
        else ""
    )
    return f"""## Licence and origin

- Licence of this dataset: {stated.licence}.
- Real images that the model was trained on: {origin.images}.
- Terms of the real images: {" ".join(filter(None, (f"{origin.terms}.", origin.note)))}
{given_weights.section(stated.given_weights)}{gate}"""


def _citation(stated: Statement) -> str:
    contact = f"\nContact: {stated.contact}\n" if stated.contact else ""
    return f"""## Citation and contact

```bibtex
{citation(stated)}
```
{contact}"""


def _releases(stated: Statement, system: Config) -> str:
    software = stated.software
    at = f" at revision {software.revision}" if software.revision else ""
    lines = [
        f"- **{release.version}** ({release.date.isoformat()}): {' '.join(release.changes.split())}"
        for release in reversed(system.export.releases)
    ]
    return f"""## Version and changes

This is version {stated.version}, made by {software.name} {software.version}{at}. What stands behind
the + are the first digits of the sha256 of all images with their labels and splits:
`{stated.content}`. `synthcohort verify path/to/this/folder` checks it, and all files.

{chr(10).join(lines) or "No release of it is stated."}
"""
