"""Train, validation and test: shared out by patient, label by label, and checked for leakage."""

import csv
import sys
from collections import Counter, defaultdict
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from synthcohort.cohort import Cohort, open_cohort
from synthcohort.cohort import leakage as leaks
from synthcohort.cohort.near_duplicates import draw_shared, sentences, shared, write_pairs
from synthcohort.config import Split
from synthcohort.errors import UserError
from synthcohort.files import atomic_file, write_json
from synthcohort.seeds import derive
from synthcohort.sources import SPLITS
from synthcohort.tracking.journal import Journal

_MOST_TOLD = 10


def split(
    settings: Split,
    *,
    seed: int,
    cohort: Path,
    out: Path,
    leakage: Path,
    pairs: Path,
    drawn: Path,
    journal: Journal,
) -> None:
    """Write `out` (split.csv: image_id, patient_id, split, in the manifest's order), `leakage`
    (leakage.json) and, also where the run stops at them, the images that patients share: all as a
    CSV (`pairs`) and the first ones `drawn`.

    The split depends on the seed, the patients and their labels alone, not on the order of images.

    Raises:
        UserError: a label with too few patients, an official split that is partial or shares a
            patient, or images that different patients share across splits.
    """
    opened = open_cohort(cohort)
    findings = leaks.search(opened, settings.correlation)
    join = settings.near_duplicates == "join"
    patients = leaks.joined(opened, findings) if join else opened.patients.tolist()
    links = _joined(opened, patients) if join else {}
    labels = [row["label"] for row in opened.rows]
    fractions = settings.fractions.model_dump()
    parts = _official(opened) if settings.official == "use" else []
    if not parts:
        parts = _shared_out(labels, patients, fractions, seed)
    elif "val" not in parts and fractions["val"]:
        of = settings.validation_from
        rows = [i for i, part in enumerate(parts) if part == of]
        print(f"Note: the official split has no val; it is carved out of {of}", file=sys.stderr)
        carved = _shared_out(
            [labels[i] for i in rows],
            [patients[i] for i in rows],
            {part: fractions[part] for part in ("val", of)},
            seed,
        )
        for i, part in zip(rows, carved, strict=True):
            parts[i] = part

    report = leaks.report(opened, parts, findings)
    write_json(leakage, report)
    alike = shared(parts, findings)
    write_pairs(opened, parts, alike, pairs)
    draw_shared(opened, parts, alike, settings.correlation, drawn)
    if findings.found > len(findings.near_identical):
        print(
            f"Note: {findings.found} pairs of images are nearly identical; {pairs} lists "
            f"the {len(findings.near_identical)} most alike and as many others as link the rest",
            file=sys.stderr,
        )
    _stop_at_shared_patients(report)
    across = [pair for pair in alike if pair.across]
    if across and settings.near_duplicates != "allow":
        lines = sentences(opened, parts, across)
        raise UserError(_leakage(report, settings, lines, pairs, drawn))
    with atomic_file(out) as temporary, temporary.open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file, lineterminator="\n")
        table.writerow(("image_id", "patient_id", "split"))
        for row, part in zip(opened.rows, parts, strict=True):
            table.writerow((row["image_id"], row["patient_id"], part))
    _tell_lacking(opened, parts)
    journal.figure(drawn)
    journal.result(
        **_counts(opened, parts),
        **{
            "groups with the same bytes": len(findings.same_bytes),
            "near-identical pairs": findings.found,
        },
        **links,
    )


def _official(cohort: Cohort) -> list[str]:
    """The official split of every image; nothing where the source gives none."""
    parts = [row["official_split"] for row in cohort.rows]
    if not any(parts):
        return []
    without = [row["image_id"] for row in cohort.rows if not row["official_split"]]
    if without:
        raise UserError(
            f"official split: {len(without)} of {len(parts)} images have none, the first is "
            f"{without[0]}; give one for every image, or set split.official: ignore"
        )
    for needed in ("train", "test"):
        if needed not in parts:
            raise UserError(
                f"official split: no image is in {needed}; give a train and a test part, or set "
                "split.official: ignore"
            )
    return parts


def _shared_out(
    labels: list[str], patients: list[str], fractions: Mapping[str, float], seed: int
) -> list[str]:
    """The split of every image: the patients of a label, shared out by the fractions.

    A patient's label is the most frequent one of the patient's images. Every label has at least one
    patient in every split with a fraction above zero; scikit-learn's stratified splitters do not
    ensure that for small labels.
    """
    parts = [part for part in SPLITS if fractions.get(part)]
    shares = np.array([fractions[part] for part in parts])
    shares /= shares.sum()
    labels_of: dict[str, Counter[str]] = defaultdict(Counter)
    for patient, label in zip(patients, labels, strict=True):
        labels_of[patient][label] += 1
    members: dict[str, list[str]] = defaultdict(list)
    for patient, found in sorted(labels_of.items()):
        members[max(sorted(found), key=found.__getitem__)].append(patient)

    few = [f"{label!r} has {len(m)}" for label, m in sorted(members.items()) if len(m) < len(parts)]
    if few:
        raise UserError(
            f"split: too few patients to share out: label {', '.join(few)}, needed are "
            f"{len(parts)} (one each for {', '.join(parts)}); add patients, merge or leave out "
            "labels in the source, or set split.fractions.val: 0"
        )
    part_of = {}
    for label, names in sorted(members.items()):
        sizes = np.ones(len(parts), dtype=int)
        while sizes.sum() < len(names):
            # Rounded, so that a tie goes to the first part and not to a rounding error.
            sizes[np.argmax(np.round(len(names) * shares - sizes, 9))] += 1
        order = np.random.default_rng(derive(seed, "split", label)).permutation(len(names))
        for i, part in zip(order, np.repeat(parts, sizes).tolist(), strict=True):
            part_of[names[i]] = part
    return [part_of[patient] for patient in patients]


def _stop_at_shared_patients(report: Mapping[str, Any]) -> None:
    shared = report["patients_in_two_splits"]
    if shared:
        lines = [f"{patient}: {' and '.join(parts)}" for patient, parts in shared.items()]
        raise UserError(
            _told(f"official split: {len(shared)} patients are in two parts", lines)
            + "Mend the official split, or set split.official: ignore to split by patient anew."
        )


def _leakage(
    report: Mapping[str, Any], settings: Split, lines: list[str], pairs: Path, drawn: Path
) -> str:
    """What is said where patients in two splits share images; `lines` are those of _told."""
    across = report["across_splits"]
    way = (
        "the official split keeps them apart: set split.official: ignore"
        if settings.near_duplicates == "join"
        else "set split.near_duplicates: join to treat such patients as one"
    )
    return (
        _told(
            f"leakage: patients in two splits share images ({across['same_bytes']} groups with the "
            f"same bytes, {across['near_identical']} pairs correlated from "
            f"{settings.correlation:g}, best over small shifts), {len(lines)} pairs of patients",
            lines,
        )
        + f"All are listed in {pairs}; the first are drawn in {drawn}. Look at them; if they are "
        f"copies, {way}; if not, raise split.correlation, or set split.near_duplicates: allow."
    )


def _told(what: str, lines: list[str]) -> str:
    more = len(lines) - _MOST_TOLD
    rest = [f"  … and {more} more"] if more > 0 else []
    return "\n".join([f"{what}:", *(f"  {line}" for line in lines[:_MOST_TOLD]), *rest, ""])


def _tell_lacking(cohort: Cohort, parts: list[str]) -> None:
    """Print which labels and findings a part of the split has no image of."""
    means = {
        "train": "so the model cannot learn it",
        "val": "so no training is watched on it",
        "test": "so no figure of the evaluation says anything of it",
    }
    findings = cohort.attributes
    binary = np.isin(findings, (0, 1)).all(axis=0) & (findings != 0).any(axis=0)
    for part in sorted(set(parts), key=SPLITS.index):
        rows = np.array([of == part for of in parts])
        there = set(cohort.classes[rows].tolist())
        lacks = [f"label {name!r}" for i, name in enumerate(cohort.label_names) if i not in there]
        has = (findings[rows] != 0).any(axis=0)
        names = np.array(cohort.attribute_names, dtype=str)[binary & ~has]
        lacks += [f"finding {name!r}" for name in names.tolist()]
        for what in lacks:
            print(f"Note: no image in {part} has the {what}, {means[part]}", file=sys.stderr)


def _counts(cohort: Cohort, parts: list[str]) -> dict[str, int]:
    images = Counter(parts)
    patients = Counter(part for _, part in set(zip(cohort.patients.tolist(), parts, strict=True)))
    return {f"images/{part}": images[part] for part in SPLITS} | {
        f"patients/{part}": patients[part] for part in SPLITS
    }


def _joined(cohort: Cohort, patients: list[str]) -> dict[str, int]:
    """How many patients count as one with others, in how many groups; printed as well."""
    members = defaultdict(set)
    for patient, name in zip(cohort.patients.tolist(), patients, strict=True):
        members[name].add(patient)
    sizes = [len(group) for group in members.values() if len(group) > 1]
    print(
        f"Note: near-duplicates join {sum(sizes)} of {len(set(cohort.patients.tolist()))} patients "
        f"into {len(sizes)} groups. Scans of one person that do not look nearly identical remain "
        "apart wherever the source counts them as different patients.",
        file=sys.stderr,
    )
    return {"joined patients": sum(sizes), "groups of joined patients": len(sizes)}
