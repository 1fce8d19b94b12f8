"""The part of croissant.json that tells of files and records."""

from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from synthcohort.export import card_use
from synthcohort.export.checksums import NAME as SUMS
from synthcohort.export.statement import Statement
from synthcohort.files import sha256

NAME = "croissant.json"
MEDIA = {
    ".csv": "text/csv",
    ".dcm": "application/dicom",
    ".json": "application/json",
    ".md": "text/markdown",
    ".npz": "application/zip",
    ".parquet": "application/x-parquet",
    ".png": "image/png",
}
# Formats of which there is a file an image, with the images' suffix.
SETS = {"imagefolder": ".png", "dicom": ".dcm", "bids": ".nii.gz"}
SPLITS = {"train": "TrainingSplit", "validation": "ValidationSplit", "test": "TestSplit"}


def single(names: Iterable[str], stated: Statement) -> set[str]:
    """The files that are told one by one: those that are not one image of many."""
    many = tuple(f"{of}/" for of in stated.formats if of in SETS)
    return {
        name
        for name in names
        if name not in (NAME, SUMS)
        and not (name.startswith(many) and many and name.endswith(tuple(SETS.values())))
    }


def resources(folder: Path, stated: Statement) -> Iterator[dict[str, Any]]:
    """The files, one by one or as sets of many."""
    names = (path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
    for name in sorted(single(names, stated)):
        yield {
            "@type": "cr:FileObject",
            "@id": name,
            "name": name,
            "contentUrl": name,
            "contentSize": f"{(folder / name).stat().st_size} B",
            "encodingFormat": MEDIA.get(Path(name).suffix, "application/octet-stream"),
            "sha256": sha256(folder / name),
        }
    sets = {of: (f"{of}/*{SETS[of]}", SETS[of]) for of in stated.formats if of in SETS}
    if "imagefolder" in stated.formats:
        sets["tables"] = ("imagefolder/*/metadata.csv", ".csv")
    elif "parquet" in stated.formats:
        sets["tables"] = ("parquet/*.parquet", ".parquet")
    for name, (includes, suffix) in sets.items():
        yield {
            "@type": "cr:FileSet",
            "@id": f"{name}-files",
            "name": f"{name}-files",
            "encodingFormat": MEDIA.get(suffix, "application/octet-stream"),
            "includes": includes,
        }


def record_sets(stated: Statement) -> Iterator[dict[str, Any]]:
    """The splits, the labels, and the images with all that is known of each."""
    splits = [{"splits/name": name, "splits/url": f"cr:{SPLITS[name]}"} for name in stated.splits]
    yield _inline("splits", "cr:Split", {"name": "sc:Text", "url": "sc:URL"}, splits)
    if stated.labelled:
        labels = [
            {"labels/name": name, "labels/class": number} for name, number in stated.labels.items()
        ]
        yield _inline(
            "labels", "sc:Enumeration", {"name": "sc:Text", "class": "sc:Integer"}, labels
        )
    yield {
        "@type": "cr:RecordSet",
        "@id": "images",
        "name": "images",
        "description": "Every synthetic image with what it was asked for.",
        "key": {"@id": "images/file_name"},
        "field": _fields(stated),
    }


def _inline(name: str, kind: str, fields: Mapping[str, str], data: list) -> dict[str, Any]:
    return {
        "@type": "cr:RecordSet",
        "@id": name,
        "name": name,
        "dataType": kind,
        "key": {"@id": f"{name}/name"},
        "field": [
            {"@type": "cr:Field", "@id": f"{name}/{key}", "name": key, "dataType": of}
            for key, of in fields.items()
        ],
        "data": data,
    }


def _fields(stated: Statement) -> list[dict[str, Any]]:
    png = "imagefolder" in stated.formats
    tables = {"fileSet": {"@id": "tables-files"}}

    def column(name: str) -> dict[str, Any]:
        return tables | {"extract": {"column": name}}

    def property_of(files: str, what: str, regex: str = "") -> dict[str, Any]:
        transform = {"transform": {"regex": regex}} if regex else {}
        return {"fileSet": {"@id": files}, "extract": {"fileProperty": what}} | transform

    split = f"({'|'.join(stated.splits)})"
    if png:
        files = "imagefolder-files"
        # From the PNG file's path: what the table calls it, and its split. mlcroissant transforms a
        # key twice, so that the name has to stay as it is the second time.
        name = property_of(files, "fullpath", r"(?:imagefolder[/\\][^/\\]+[/\\])?(.+)")
        image = property_of(files, "content")
        part = property_of(files, "filepath", rf".*imagefolder[/\\]{split}[/\\].+")
    else:
        name = column("image") | {"transform": {"jsonPath": "path"}}
        image = column("image") | {"transform": {"jsonPath": "bytes"}}
        part = property_of("tables-files", "filename", f"{split}-.+")
    values = {
        "file_name": ("sc:Text", name, "Name of the PNG file below the split's folder."),
        "image": ("sc:ImageObject", image, "The image."),
        "split": (["sc:Text", "cr:Split"], part, "The part it belongs to, a name of splits."),
    }
    if stated.labelled:
        what, kind = ("name", "sc:Text") if png else ("place", "sc:Integer")
        asked = f"{card_use.LABELS} A {what} in labels."
        values["label"] = ([kind, "cr:Label"], column("label"), asked)
        values["class"] = ("sc:Integer", column("class"), "The class number of the label.")
    values["index"] = ("sc:Integer", column("index"), "The running number within its label.")
    values["seed"] = ("sc:Integer", column("seed"), "The seed of its noise.")
    for attribute in stated.attributes:
        about = "What the model was asked for besides."
        kind = ["sc:Float", "cr:Label"] if stated.multi_label else "sc:Float"
        values[attribute] = (kind, column(attribute), about)
    fields = [
        {
            "@type": "cr:Field",
            "@id": f"images/{key}",
            "name": key,
            "description": about,
            "dataType": kind,
            "source": source,
        }
        for key, (kind, source, about) in values.items()
    ]
    if png:
        fields[0]["references"] = column("file_name")
    return fields
