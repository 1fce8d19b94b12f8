"""What the guidance scale does: fidelity, diversity and label accuracy over it, the chosen marked.

It needs no synthetic dataset, so a scale can be chosen before one is drawn.
"""

import time
from pathlib import Path

import numpy as np

from synthcohort.cohort import Cohort, blocks, open_cohort
from synthcohort.config import Evaluation, Sampling
from synthcohort.evaluation.extractors import classifier as extractor
from synthcohort.evaluation.guidance.against_real import Reference, features_of
from synthcohort.evaluation.metrics import not_applicable
from synthcohort.evaluation.networks.label_classifier import cannot_tell
from synthcohort.evaluation.records import write_record
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.numerics.resampling import CONFIDENCE
from synthcohort.progress import progress
from synthcohort.samples.plan import attributes, counts
from synthcohort.seeds import derive
from synthcohort.tracking.journal import Journal

METHOD = (
    "distance and variance: delete-a-group jackknife over test patients and images; label "
    "accuracy: bootstrap over images (floor: patients); the same noise at every scale, nothing is "
    "trained again"
)


def guidance(
    settings: Evaluation,
    sampling: Sampling,
    *,
    seed: int,
    cohort: Path,
    split: Path,
    classifier: Path,
    autoencoder: Path,
    diffusion: Path,
    out: Path,
    hardware: Hardware,
    journal: Journal,
) -> None:
    """Draw the same images at every scale and write `out` (JSON, with the npz beside it that every
    measurement leaves).

    The result's "value" is the scale of `sampling`, which has no interval and no floor. "details"
    has the "points", the scales, each with "fidelity", "diversity" and "label_accuracy" ({"value",
    "interval"}; the last is None where there is one label only), and the same of "real" train
    against real test images. Where there is neither a label nor an attribute to ask for, the value
    is None and "note" says so, unless the guide is an early moment of the denoiser.

    Raises:
        UserError: the guide that `sampling` names was not kept.
    """
    start = time.monotonic()
    data = open_cohort(cohort, split)
    about = {"metric": "guidance", "seed": seed, "confidence": CONFIDENCE}
    seed = derive(seed, "guidance")
    labelled = len(set(data.classes[data.of("train")])) > 1
    told = labelled or data.attribute_names
    if not told and sampling.guide == "withheld":
        note = "Guidance does not apply: there is neither a label nor an attribute to ask for."
        write_record(out, about | not_applicable(note), {})
        return
    name, layer, features = extractor.open_extractor(
        settings, seed, {"classifier": classifier}, hardware
    )
    test, train, pairs = _chosen(settings, sampling, data, diffusion, seed)
    reference = Reference(data, test, features, classifier if labelled else None, seed)
    of_train = features_of(features, (data.images[rows] for rows in blocks(train)))
    floor = reference.distances(of_train, data.classes[train], data.patients[train])
    floor |= {"label_accuracy": reference.label_accuracy(None, data.classes[test])}
    points = []
    for scale in sorted({*settings.guidance_scales, sampling.guidance}):
        at = sampling.model_copy(
            update={"guidance": scale, "batch": min(sampling.batch, len(pairs))}
        )
        images = _drawn(at, data, pairs, seed, autoencoder, diffusion, hardware)
        made = features_of(features, images)
        classes = np.array([label for label, _ in pairs])
        own = np.array([f"synthetic {i}" for i in range(len(pairs))])
        points.append(
            {"scale": scale}
            | reference.distances(made, classes, own)
            | {"label_accuracy": reference.label_accuracy(made, classes)}
        )
    result = about | {
        "extractor": name,
        "layer": layer,
        "n": {"train": len(train), "test": len(test), "synthetic": len(pairs)},
        "patients": {
            "train": len(set(data.patients[train])),
            "test": len(set(data.patients[test])),
        },
        "interval_method": METHOD,
        "value": sampling.guidance,
        "interval": None,
        "floor": None,
        "details": {"points": points, "real": floor},
    }
    if why := cannot_tell(classifier):
        result["cannot_tell"] = why
    write_record(out, result | {"seconds": round(time.monotonic() - start, 1)}, {})
    journal.result(
        **{
            f"guidance_{point['scale']:g}_{key}": point[key]["value"]
            for point in points
            for key in ("fidelity", "diversity", "label_accuracy")
            if point[key]
        }
    )


def _chosen(
    settings: Evaluation, sampling: Sampling, data: Cohort, diffusion: Path, seed: int
) -> tuple[np.ndarray, np.ndarray, list[tuple[int, int]]]:
    """Rows of real test images, rows of as many real train images of each label as there are
    samples of it, and the samples as (label, index): labels as often as in test, as far as they are
    in train and asked for at all."""
    random = np.random.default_rng(derive(seed, "real"))
    asked = np.array(counts(sampling, data.label_names, data.classes[data.of("train")])) > 0
    classes = data.classes
    test = random.permutation(data.of("test"))
    test = test[asked[classes[test]]][: settings.images]
    train = random.permutation(data.of("train"))
    names = read_json(diffusion / "labels.json")["names"]
    number = sampling.model_copy(update={"images": settings.guidance_images})
    known = np.isin(classes[test], classes[train])
    each = counts(number, names, classes[test][known])
    pairs = [(label, i) for label, n in enumerate(each) for i in range(n)]
    parts = [train[classes[train] == label][:n] for label, n in enumerate(each)]
    return np.sort(test[known]), np.sort(np.concatenate(parts)), pairs


def _drawn(
    sampling: Sampling,
    data: Cohort,
    pairs: list[tuple[int, int]],
    seed: int,
    autoencoder: Path,
    diffusion: Path,
    hardware: Hardware,
):
    """The images of all pairs at one scale, batch by batch, in the cohort's dtype."""
    from synthcohort.samples.drawer import Drawer

    drawer = Drawer(sampling, autoencoder=autoencoder, diffusion=diffusion, hardware=hardware)
    seeds = [derive(seed, drawer.names[label], index) for label, index in pairs]
    numbers = attributes(data, drawer.names, pairs, seeds)
    labels = np.array([label for label, _ in pairs])
    with progress(f"Guidance {sampling.guidance:g}", total=len(pairs)) as bar:
        for images in drawer.images(sampling, labels, numbers, seeds, data.images.dtype):
            yield images
            bar.update(len(images))
