"""A made-up system in a results folder, for the tests of its report and of that page."""

import json
from pathlib import Path

from observer_material import write_system
from PIL import Image

from synthcohort.config import Config
from synthcohort.samples.listing import gather
from synthcohort.tracking.journal import Journal

NASTY = "<script>alert('x')</script> & \"co\""
AUTOENCODER = {"images": 320, "batch": 16, "channels": [8], "latent_channels": 2}
DIFFUSION = {"images": 320, "batch": 16, "channels": [8, 16], "attention": [False, True]}


def system(name: str = "tiny", title: str = NASTY) -> Config:
    """A configuration whose title is markup."""
    return Config(
        name=name,
        source={"kind": "phantom", "patients": 24, "slices": 3},
        autoencoder=AUTOENCODER,
        diffusion=DIFFUSION,
        export={"title": title},
    )


def result(metric: str, value: float | None, interval: tuple | None, **more: object) -> dict:
    """A result as a metric's file has it."""
    n = {"train": 40, "test": 40, "synthetic": 40}
    told = {"metric": metric, "value": value, "interval": interval, "n": n, "details": {}}
    return told | {"floor": None} | more


def floored(value: float, low: float, high: float) -> dict:
    return {"floor": {"value": value, "interval": [low, high]}}


RESULTS = (
    result("fid", 95.0, (86, 105), **floored(45.0, 42, 49)),
    result("kid", 0.001, (-0.002, 0.003), **floored(0.0, -0.003, 0.002)),
    result(
        "precision_recall",
        0.9,
        (0.85, 0.95),
        **floored(0.7, 0.65, 0.75),
        details={"recall": {"value": 0.2, "interval": [0.15, 0.25]}},
    ),
    result("utility", 0.6, (0.55, 0.65), **floored(0.8, 0.75, 0.85), better="higher"),
    result("label_accuracy", None, None, note="All <i>labels</i> are the same."),
    result("membership", 0.52, (0.47, 0.57), **floored(0.5, 0.45, 0.55)),
    result("real_or_synthetic", 0.97, (0.95, 0.99), **floored(0.5, 0.45, 0.55)),
    result("never_heard_of", 12.5, (12, 13)),
)


def gate(name: str, value: float, outcome: str, **more: object) -> dict:
    """A gate as audit.json has it."""
    told = {"name": name, "value": value, "interval": [value, value + 0.01]}
    rule = {"rule": "at_most", "threshold": 0.05, "outcome": outcome, "why": f"it is {outcome}."}
    rule["stops"] = outcome != "passed" and "override" not in more
    return told | rule | {"n": {"synthetic": 40}, **floored(0.01, 0, 0.03)} | more


PLANTED = {
    "rows": [
        {
            "disguise": "mirrored",
            "n": 40,
            "found": {"pixels": 0.975, "any": 1.0},
            "stops_a_set": True,
        },
        {"disguise": "<zoomed>", "n": 40, "found": {"detector": 0.005, "any": 0.005}},
    ],
    "false_alarms": {"value": 0.0025, "interval": [0.0003, 0.009], "n": 800, "patients": 36},
    "sentence_found": "Found were mirrored ones.",
    "sentence_missed": "Missed were zoomed ones.",
}


def write_results(folder: Path, gates: tuple = (), labels: tuple[str, str] = (NASTY, "b")) -> Path:
    """results/<name> with made-up results, figures and journals; without an audit where there
    are no gates."""
    given = write_system(folder / "cohort", labels=labels)
    (folder / "samples").mkdir()
    for shard in given["samples"]:
        shard.rename(folder / "samples" / shard.name)
    gather(
        shards=len(given["samples"]),
        folder=folder / "samples",
        out=folder / "samples/shards.csv",
        journal=Journal(None, "gather", {}),
    )
    leakage = {
        "patients_in_two_splits": {},
        "across_splits": {"same_bytes": 0, "near_identical": 2},
        "method": {"correlation": 0.99},
    }
    (folder / "cohort/leakage.json").write_text(json.dumps(leakage))
    for name in ("evaluation", "figures"):
        (folder / name).mkdir()
    for told in RESULTS:
        (folder / f"evaluation/{told['metric']}.json").write_text(json.dumps(told))
    (folder / "evaluation/sets.json").write_text(json.dumps({"train": [1]}))
    (folder / "figures/evaluation").mkdir()
    widths = {"evaluation/fid": 900, "utility-curve": 600, "real-and-synthetic": 1800}
    for name, width in widths.items():
        Image.new("L", (width, 200), 128).save(folder / f"figures/{name}.png")
    if gates:
        image = {"label": "b", "index": 3, "shard": "shard-00000.npz", "train_image": "i<7>"}
        audit = {
            "passed": all(told["outcome"] == "passed" for told in gates),
            "outcome": next((told["outcome"] for told in gates if told["stops"]), "passed"),
            "gates": gates,
            "planted": PLANTED,
            "measures": [told for told in gates if told["name"] == "memorised_share"],
            "memorised": [image | {"distance": 0.125}],
            "copies": [image | {"way": "mirrored", "correlation": 0.99}],
            "dropped": [{"label": "b", "index": 3}],
        }
        (folder / "audit.json").write_text(json.dumps(audit))
    for stage in ("autoencoder", "sample-00000", "sample-00001"):
        with Journal(folder / f"journal/{stage}.jsonl", stage, {"seed": 0}) as journal:
            journal.result(parameters=123456)
    return folder
