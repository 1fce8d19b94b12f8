"""croissant.json: the dataset as machines read it, in Croissant 1.1 (a JSON-LD vocabulary).

Beside files and records it tells origin (PROV), conditions of use (ODRL) and what a responsible
user asks (RAI), the last in the words of card and evaluation. Its own library, mlcroissant, reads
and validates it in the tests; writing is a matter of a dictionary.
"""

import json
import reprlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from synthcohort.export import card_use, given_weights
from synthcohort.export.checksums import NAME as SUMS
from synthcohort.export.croissant_records import NAME, record_sets, resources, single
from synthcohort.export.statement import Statement
from synthcohort.files import atomic_file

VERSION = "http://mlcommons.org/croissant/1.1"
RAI = "http://mlcommons.org/croissant/RAI/1.0"
# As https://docs.mlcommons.org/croissant/docs/croissant-spec-1.1.html#appendix-1-json-ld-context.
CONTEXT = {
    "@language": "en",
    "@vocab": "https://schema.org/",
    "sc": "https://schema.org/",
    "cr": "http://mlcommons.org/croissant/",
    "rai": "http://mlcommons.org/croissant/RAI/",
    "dct": "http://purl.org/dc/terms/",
    "prov": "http://www.w3.org/ns/prov#",
    "odrl": "http://www.w3.org/ns/odrl/2/",
    "conformsTo": "dct:conformsTo",
    "data": {"@id": "cr:data", "@type": "@json"},
    "dataType": {"@id": "cr:dataType", "@type": "@vocab"},
    "examples": {"@id": "cr:examples", "@type": "@json"},
    "name": {"@container": "@language"},
    "description": {"@container": "@language"},
} | {
    name: f"cr:{name}"
    for name in (
        *("arrayShape", "citeAs", "column", "containedIn", "equivalentProperty", "extract"),
        *("field", "fileObject", "fileProperty", "fileSet", "format", "includes", "isArray"),
        *("isLiveDataset", "jsonPath", "key", "md5", "parentField", "path", "recordSet"),
        *("references", "regex", "repeated", "replace", "samplingRate", "separator", "source"),
        *("subField", "transform"),
    )
}


def write(folder: Path, stated: Statement, rai: Mapping[str, Sequence[str]]) -> None:
    """Write `folder`/croissant.json over all other files that are there.

    `rai` are the sentences on "biases", "limits" and "privacy" that the evaluation gives.
    """
    with atomic_file(folder / NAME) as file:
        told = json.dumps(_dataset(folder, stated, rai), indent=2, ensure_ascii=False)
        file.write_text(told + "\n", encoding="utf-8")


def faults(folder: Path, stated: Statement, sums: Mapping[str, str]) -> Iterator[str]:
    """What croissant.json says otherwise than the statement and SHA256SUMS."""
    try:
        told = json.loads((folder / NAME).read_bytes())
        files = {of["contentUrl"]: of["sha256"] for of in told["distribution"] if "sha256" in of}
        names = {of["@id"]: of for of in told["recordSet"]}
        labels = [row["labels/name"] for row in names["labels"]["data"]] if stated.labelled else []
        found = {
            "name": told["name"],
            "version": told["version"],
            "license": told["license"],
            "identifier": told["identifier"],
            "labels": labels,
            "splits": [row["splits/name"] for row in names["splits"]["data"]],
        }
    except (OSError, ValueError, LookupError, TypeError, RecursionError) as error:
        yield f"{NAME}: cannot be read as the description of this dataset ({error!r})"
        return
    wanted = {
        "name": stated.title,
        "version": stated.version,
        "license": stated.licence,
        "identifier": f"sha256:{stated.content}",
        "labels": stated.label_names if stated.labelled else [],
        "splits": stated.splits,
    }
    for what, value in wanted.items():
        if found[what] != value:
            yield f"{NAME}: says {what} {reprlib.repr(found[what])}; results.json says {value!r}"
    for path in sorted(files.keys() | single(sums, stated)):
        if files.get(path) != sums.get(path):
            yield f"{NAME}: does not give {path} the checksum it has in {SUMS}"


def _dataset(folder: Path, stated: Statement, rai: Mapping[str, Sequence[str]]) -> dict[str, Any]:
    software, origin = stated.software, stated.origin
    creator = {"@type": "Organization", "name": stated.creator} if stated.creator else None
    agent = {
        "@type": "prov:SoftwareAgent",
        "prov:label": software.name,
        "softwareVersion": software.version,
        "identifier": software.revision,
    }
    told = {
        "@context": CONTEXT,
        "@type": "sc:Dataset",
        "conformsTo": [VERSION, RAI],
        "name": stated.title,
        "alternateName": stated.name,
        "description": f"{stated.count} synthetic images, drawn from a diffusion model that was "
        f"trained on real ones ({origin.images}). No real image is part of it.",
        "identifier": f"sha256:{stated.content}",
        "version": stated.version,
        "datePublished": stated.date,
        "license": stated.licence,
        "url": stated.url,
        "creator": creator,
        "citeAs": card_use.citation(stated),
        "keywords": ["synthetic", "medical imaging", "diffusion model"],
        "isLiveDataset": False,
        "usageInfo": _conditions(stated),
        "prov:wasDerivedFrom": _origins(stated),
        "prov:wasGeneratedBy": {
            "@type": "prov:Activity",
            "prov:label": "Training of a diffusion model on the real images, drawing from it, "
            "evaluation and audit",
            "prov:wasAssociatedWith": agent,
        },
        "prov:wasAttributedTo": {"@type": "prov:Agent", "prov:label": stated.creator}
        if stated.creator
        else None,
        "rai:dataCollection": "Every image was drawn from a diffusion model; none was acquired.",
        "rai:dataCollectionType": ["Others"],
        "rai:dataCollectionRawData": f"{origin.images}; terms: {origin.terms}.",
        "rai:dataAnnotationProtocol": [card_use.LABELS],
        "rai:machineAnnotationTools": [f"{software.name} {software.version}"],
        "rai:dataUseCases": [card_use.USE, card_use.NOT_FOR],
        "rai:dataBiases": [card_use.BIASES, *rai["biases"]],
        "rai:dataLimitations": [card_use.LIMITS, *rai["limits"]],
        "rai:personalSensitiveInformation": list(rai["privacy"]),
        "rai:dataSocialImpact": card_use.NOT_TO_IDENTIFY,
        "rai:dataReleaseMaintenancePlan": f"Contact: {stated.contact}" if stated.contact else "",
        "distribution": list(resources(folder, stated)),
        "recordSet": list(record_sets(stated)),
    }
    return {key: value for key, value in told.items() if value not in ("", None)}


def _origins(stated: Statement) -> dict[str, Any] | list[dict[str, Any]]:
    """The real images, and the weights that a training started from."""
    images = {
        "@type": "prov:Entity",
        "prov:label": stated.origin.images,
        "license": stated.origin.terms,
        "usageInfo": stated.origin.note,
    }
    weights = [
        {
            "@type": "prov:Entity",
            "prov:label": f"{one.folder} ({one.network})",
            "license": one.licence,
            "identifier": f"sha256:{one.sha256}",
        }
        for one in stated.given_weights
    ]
    return [images, *weights] if weights else images


def _conditions(stated: Statement) -> dict[str, Any]:
    """What must not be done with the dataset, as an ODRL offer; the licence grants the rest."""

    def prohibited(purpose: str, words: str) -> dict[str, Any]:
        return {
            "@type": "odrl:Prohibition",
            "description": words,
            "odrl:action": {"@id": "odrl:use"},
            "odrl:constraint": {
                "@type": "odrl:Constraint",
                "odrl:leftOperand": {"@id": "odrl:purpose"},
                "odrl:operator": {"@id": "odrl:eq"},
                "odrl:rightOperand": purpose,
            },
        }

    told = {
        "@type": ["CreativeWork", "odrl:Offer"],
        "name": "Conditions of use",
        "odrl:prohibition": [
            prohibited("re-identification of persons", card_use.NOT_TO_IDENTIFY),
            prohibited("diagnosis, and any decision about a patient", card_use.NOT_FOR),
        ],
        "odrl:obligation": {
            "@type": "odrl:Duty",
            "odrl:action": {"@id": "odrl:attribute"},
            "description": "Name the dataset and its version, as in citeAs.",
        },
    }
    of = [f"real images ({stated.origin.terms})"] if stated.origin.gated else []
    of += [f"given weights ({name})" for name in given_weights.restricted(stated.given_weights)]
    told["odrl:prohibition"] += [
        {
            "@type": "odrl:Prohibition",
            "odrl:action": {"@id": "odrl:distribute"},
            "description": "To pass it on without having seen to it that the terms of the "
            f"{restricted} allow that.",
        }
        for restricted in of
    ]
    return told
