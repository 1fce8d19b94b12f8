"""The model stage: a run's trained model as a folder that stands by itself."""

import shutil
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from synthcohort import __version__, config, sources
from synthcohort.audit.gate import headline, opened
from synthcohort.cohort import Cohort, open_cohort
from synthcohort.errors import UserError
from synthcohort.files import atomic_directory, digest, read_json, sha256, write_json
from synthcohort.generator import model_card
from synthcohort.generator.model_folder import CARD, LICENCE, RECORD, Audit, Label, Record, Terms
from synthcohort.models import SEEN, folder_of_guide
from synthcohort.models.start_folder import GivenWeights, recorded_of
from synthcohort.results import registry, summary
from synthcohort.tracking.journal import Journal

_COPIED = ("*.json", "*.safetensors")


def write_model(
    system: config.Config,
    *,
    cohort: Path,
    split: Path,
    autoencoder: Path,
    diffusion: Path,
    audit: Path,
    results: Sequence[Path],
    out: Path,
    journal: Journal,
) -> None:
    """Write the model's folder `out`, whatever the audit says; the card says it first.

    Of the patients it holds how many train images each label has, and nothing else but what the
    weights have learnt. The same inputs give the same bytes.

    Raises:
        UserError: the real images are restricted and `export.acknowledge` does not name their
            terms; the audit is of an older version; or labels and model do not belong together.
            Nothing is written.
    """
    sources.require_acknowledged(system.source, system.export.acknowledge)
    audited = opened(audit)
    data = open_cohort(cohort, split)
    with atomic_directory(out) as folder:
        parts = {"autoencoder": autoencoder}
        parts |= {part: diffusion / part for part in ("unet", "scheduler")}
        if system.sampling.guide == "early":
            guide = folder_of_guide(diffusion) / "unet"
            parts[guide.relative_to(diffusion).as_posix()] = guide
        for part, source in parts.items():
            (folder / part).mkdir(parents=True)
            for path in sorted(path for pattern in _COPIED for path in source.glob(pattern)):
                shutil.copyfile(path, folder / part / path.name)
        for name in ("labels.json", "attributes.json"):
            shutil.copyfile(diffusion / name, folder / name)
        names = read_json(diffusion / "labels.json")["names"]
        images = read_json(diffusion / SEEN)["images"]
        given = recorded_of(autoencoder, diffusion)
        record = _record(system, data, names, images, audited, given)
        facts = model_card.Facts(
            system=system,
            config={
                part: read_json(path)
                for part in parts
                for path in (folder / part).glob("*config.json")
            },
            entries=summary.entries(results, audit),
            audit=audited,
        )
        (folder / CARD).write_text(model_card.card(record, facts), encoding="utf-8")
        (folder / LICENCE).write_text(model_card.licence(record), encoding="utf-8")
        files = {
            path.relative_to(folder).as_posix(): sha256(path)
            for path in sorted(folder.rglob("*"))
            if path.is_file()
        }
        whole = record.model_copy(update={"files": files}).model_dump(mode="json")
        for key in ("images", "shard"):
            del whole["sampling"][key]
        write_json(folder / RECORD, whole)
        size = sum(path.stat().st_size for path in folder.rglob("*") if path.is_file())
    journal.result(audit=audited["outcome"], files=len(files) + 1, bytes=size)


def _record(
    system: config.Config,
    data: Cohort,
    names: list[str],
    images: int,
    audited: dict,
    given: tuple[GivenWeights, ...],
) -> Record:
    if names != data.label_names:
        raise UserError(
            f"the model was trained on the labels {', '.join(names)}, but the cohort has "
            f"{', '.join(data.label_names)}; train it again on this cohort"
        )
    train = np.bincount(data.classes[data.of("train")], minlength=len(names)).tolist()
    labels = zip(names, data.class_numbers, train, strict=True)
    terms = sources.terms(system.source)
    return Record(
        name=system.name,
        title=system.export.title,
        run=digest(system.model_dump(mode="json")),
        made_by=f"synthcohort {__version__}",
        seed=system.seed,
        images_seen=images,
        labels=[Label(name=name, number=number, train_images=n) for name, number, n in labels],
        attributes=data.attribute_names,
        shape=data.images.shape[1:],
        dtype=data.images.dtype.name,
        sampling=system.sampling,
        audit=Audit(outcome=audited["outcome"], headline=headline(audited, registry.title)),
        left_out=[(image["label"], image["index"]) for image in audited["dropped"]],
        terms=Terms(
            licence=system.export.licence,
            source=terms.source,
            name=terms.name,
            note=terms.note,
            gated=terms.gated,
            acknowledged=system.export.acknowledge if terms.gated else "",
        ),
        given_weights=given,
        files={},
    )
