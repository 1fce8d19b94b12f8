"""The HTML files of this package as Jinja templates."""

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import jinja2


def template(name: str) -> "jinja2.Template":
    """A page of this package; what it is given is escaped."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("synthcohort.report", "."),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    return environment.get_template(name)
