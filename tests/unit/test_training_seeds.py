"""The headline figures over several trainings of the diffusion model."""

import numpy as np
import trained
from PIL import Image
from trained import HARDWARE, JOURNAL, data

from synthcohort.config import Evaluation, Sampling
from synthcohort.evaluation import training_seeds
from synthcohort.evaluation.again import measure_again
from synthcohort.evaluation.draw import draw_record
from synthcohort.evaluation.features import extract
from synthcohort.evaluation.sets import choose
from synthcohort.files import read_json, write_json
from synthcohort.samples.sampler import Sampler

# The fixture of these tests too.
system = trained.system
EVALUATION = Evaluation(images=10)
SAMPLING = Sampling(images=20, shard=20, steps=2)


def test_a_further_training_is_measured_as_the_first_is(system, tmp_path, monkeypatch):
    # Neither Inception's features nor a classifier's: what is done with them is the same.
    measured = {"frechet_statistics": "Distance", "membership": "AUC"}
    monkeypatch.setattr("synthcohort.evaluation.again.FIGURES", measured)
    models = {name: system / name for name in ("autoencoder", "diffusion")}
    shard = tmp_path / "shard-00000.npz"
    first = Sampler(SAMPLING, seed=0, hardware=HARDWARE, shards=1, **data(system), **models)
    first.write(0, shard)
    given = {**data(system), "samples": [shard]}
    choose(EVALUATION, seed=0, **given, out=tmp_path / "sets.json", journal=JOURNAL)
    given["sets"] = tmp_path / "sets.json"
    features = tmp_path / "features-statistics.npz"
    extract(
        EVALUATION,
        extractor="statistics",
        seed=0,
        **given,
        out=features,
        hardware=HARDWARE,
        journal=JOURNAL,
    )
    found = {}
    for name, training in (("second", 2), ("again", 2), ("third", 3)):
        measure_again(
            EVALUATION,
            SAMPLING,
            training=training,
            seed=0,
            **given,
            **models,
            features=[features],
            classifier=tmp_path,
            latents=system / "latents",
            drawn=tmp_path / f"{name}.npz",
            out=tmp_path / f"{name}.json",
            hardware=HARDWARE,
            journal=JOURNAL,
        )
        found[name] = read_json(tmp_path / f"{name}.json")
    assert found["second"] == found["again"]
    second, third = (found[name]["results"]["frechet_statistics"] for name in ("second", "third"))
    assert second["value"] != third["value"] and second["floor"] == third["floor"]
    with np.load(tmp_path / "second.npz") as made:
        assert len(made["images"]) == second["n"]["synthetic"] == second["n"]["test"]
    assert found["second"]["results"]["membership"]["value"] > 0


def result(metric: str, value: float) -> dict:
    entry = {"value": value, "interval": [value - 1, value + 1]}
    floor = {"value": 0.5, "interval": [0.4, 0.6]}
    details = {"recall": entry | {"floor": floor}}
    n = {"train": 8, "test": 8, "synthetic": 8}
    return {"metric": metric, **entry, "floor": floor, "details": details, "n": n}


def test_the_trainings_are_gathered_to_mean_smallest_and_largest(tmp_path):
    names = ("fid", "frechet_classifier", "precision_recall", "membership")
    first = [tmp_path / f"{name}.json" for name in names]
    for path, name in zip(first, names, strict=True):
        write_json(path, result(name, 2.0))
    again = [tmp_path / "again-2.json", tmp_path / "again-3.json"]
    for path, value in zip(again, (5.0, 3.5), strict=True):
        write_json(path, {"training": 2, "results": {name: result(name, value) for name in names}})
    out = tmp_path / "training_seeds.json"
    training_seeds.gather(first=first, again=again, out=out, journal=JOURNAL)
    found = read_json(out)
    assert (found["value"], found["interval"], found["values"]) == (3.5, [2, 5], [2, 5, 3.5])
    assert found["n"] == {"trainings": 3, "synthetic": 8}
    assert found["details"].keys() == {"frechet_classifier", "recall", "membership"}
    with Image.open(draw_record(out, tmp_path)) as figure:
        assert figure.width > 500


def test_what_does_not_apply_is_left_out(tmp_path):
    names = ("fid", "frechet_classifier", "precision_recall")
    results = {name: result(name, 2.0) for name in names}
    results["membership"] = {"metric": "membership", "value": None, "interval": None, "floor": None}
    for name, of in results.items():
        write_json(tmp_path / f"{name}.json", of)
    write_json(tmp_path / "again.json", {"training": 2, "results": results})
    first, out = [tmp_path / f"{name}.json" for name in results], tmp_path / "training_seeds.json"
    training_seeds.gather(first=first, again=[tmp_path / "again.json"], out=out, journal=JOURNAL)
    assert read_json(out)["details"].keys() == {"frechet_classifier", "recall"}
    assert draw_record(out, tmp_path).is_file()
