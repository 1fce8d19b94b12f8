"""The YAML at the head of the dataset card, as the Hugging Face hub and `datasets` read it."""

from collections.abc import Mapping
from typing import Any

import yaml

from synthcohort.export.card_loading import files
from synthcohort.export.statement import Statement

SIZES = ((10**3, "n<1K"), (10**4, "1K<n<10K"), (10**5, "10K<n<100K"), (10**6, "100K<n<1M"))
RULE = "---\n"


def front_matter(stated: Statement, diffusion: str, sizes: Mapping[str, int]) -> str:
    """The YAML between its two rules. `diffusion` is the tag for the kind of model, `sizes` are the
    bytes of each split's files."""
    labels = stated.labelled or stated.multi_label
    values = {
        "license": stated.licence,
        "pretty_name": stated.title,
        "version": stated.version,
        "content_hash": f"sha256:{stated.content}",
        "annotations_creators": ["machine-generated"],
        "source_datasets": [f"extended|other-{stated.origin.kind.replace('_', '-')}"],
        "task_categories": ["image-classification" if labels else "unconditional-image-generation"],
        "size_categories": [next((name for top, name in SIZES if stated.count < top), "n>1M")],
        "tags": ["synthetic", "medical", diffusion, "synthcohort"],
        # `datasets` takes the features from here, and compares the counts with those below.
        "configs": [
            {
                "config_name": "default",
                "data_files": [
                    {"split": folder, "path": files(stated.formats, folder)}
                    for folder in stated.splits
                ],
                "features": features(stated),
            }
        ],
        "dataset_info": {
            "config_name": "default",
            "features": features(stated),
            "splits": [
                {"name": folder, "num_bytes": sizes[folder], "num_examples": count}
                for folder, count in stated.images.items()
            ],
            "download_size": sum(sizes.values()),
            "dataset_size": sum(sizes.values()),
        },
    }
    if stated.multi_label:
        values["task_ids"] = ["multi-label-image-classification"]
    # No anchors for what stands twice: the hub shows them to people.
    dumper = type("Plain", (yaml.SafeDumper,), {"ignore_aliases": lambda *_: True})
    return RULE + yaml.dump(values, Dumper=dumper, sort_keys=False, allow_unicode=True) + RULE


def features(stated: Statement) -> list[dict[str, Any]]:
    """The columns that `datasets` gives, in the order of the tables."""
    found: list[dict[str, Any]] = [{"name": "image", "dtype": "image"}]
    if stated.labelled:
        names = {str(place): name for place, name in enumerate(stated.label_names)}
        found.append({"name": "label", "dtype": {"class_label": {"names": names}}})
        found.append({"name": "class", "dtype": "int64"})
    found += [{"name": name, "dtype": "int64"} for name in ("index", "seed")]
    return found + [{"name": name, "dtype": "float32"} for name in stated.attributes]


def read(card: str) -> tuple[dict[str, Any], str]:
    """The values at the head of a card, and the rest.

    Raises:
        ValueError: there is no such head.
    """
    before, _, rest = card.partition(RULE)
    head, rule, body = rest.partition(f"\n{RULE}")
    if before or not rule:
        raise ValueError("does not begin with YAML between two lines of ---")
    try:
        values = yaml.safe_load(head)
    except yaml.YAMLError as error:
        raise ValueError(f"its head is no YAML: {' '.join(str(error).split())}") from None
    if not isinstance(values, dict):
        raise ValueError("its head is no YAML with keys")
    return values, body
