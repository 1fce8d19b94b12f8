"""The whole workflow on a tiny simulated cohort: what it leaves, and that it leaves it again."""

import csv
import html
import json
import re
import subprocess
from pathlib import Path

import numpy as np
from PIL import Image
from tiny import configured, run, snakemake

from synthcohort.config import load
from synthcohort.evaluation import metrics
from synthcohort.evaluation.draw import captions

RESULTS = "results/tiny"
ALL_THERE_IS = (
    *("authenticity", "reidentification", "utility", "subgroups"),
    *("membership", "over_training"),
)


def test_every_contract_is_there(finished):
    for name in (
        "cohort/images.npy",
        "cohort/manifest.csv",
        "cohort/split.csv",
        "cohort/leakage.json",
        "autoencoder/config.json",
        "latents/mean.npy",
        "diffusion/unet/config.json",
        "training/autoencoder.json",
        "training/diffusion.json",
        "training/snapshots.npz",
        "figures/cohort.png",
        "figures/reconstructions.png",
        "figures/denoising.gif",
        "samples/shard-00001.npz",
        "observer/index.html",
        "observer/key.json",
        "evaluation/fid.npz",
        "figures/evaluation/fid.png",
        "figures/evaluation/guidance.png",
        "audit.json",
        "export/README.md",
        "model/model.json",
        "summary.txt",
        "report.html",
    ):
        assert (finished / RESULTS / name).is_file(), name


def test_every_metric_comes_with_what_it_needs_to_be_read(finished):
    found = {path.stem for path in (finished / RESULTS / "evaluation").glob("*.json")}
    expected = set(metrics.names(load(finished / "config.yaml").evaluation))
    assert found >= expected >= {"fid", "kid", "frechet_classifier", "embedding"}
    for name in expected:
        result = json.loads((finished / RESULTS / f"evaluation/{name}.json").read_text())
        if name == "over_training":  # an advice, not a measurement
            assert result["details"]["advice"] and len(result["details"]["points"]) > 1
            continue
        low, high = result["interval"]
        assert low <= result["value"] <= high, name
        assert np.isfinite(result["floor"]["value"]), name
        assert result["seed"] == 0 and min(result["n"].values()) >= 12, name
        # Distances and their floors are of sets of the same size; these use all there is.
        assert len(set(result["n"].values())) == 1 or name in ALL_THERE_IS


def test_the_export_is_whole_and_holds_the_asked_images(finished):
    export = finished / RESULTS / "export"
    subprocess.run(["sha256sum", "--check", "--quiet", "SHA256SUMS"], cwd=export, check=True)
    rows = [
        row
        for table in export.glob("imagefolder/*/metadata.csv")
        for row in csv.DictReader(table.open())
    ]
    left_out = json.loads((finished / RESULTS / "audit.json").read_text())["dropped"]
    kept = 40 - len(left_out)
    assert kept >= 36 and len(rows) == kept and {row["label"] for row in rows} == {"AD", "NC"}
    arrays = np.load(export / "tiny.npz", allow_pickle=False)
    assert sum(len(arrays[f"{part}_images"]) for part in ("train", "val", "test")) == kept
    image = Image.open(next(export.glob("imagefolder/train/**/*.png")))
    assert image.size == (32, 32) and image.mode == "L"


def test_no_path_of_this_machine_is_exported(finished):
    for path in (finished / RESULTS / "export").rglob("*"):
        if path.suffix in (".md", ".json", ".csv"):
            assert str(finished) not in path.read_text(), path


def test_the_run_ends_with_its_table_and_the_places_to_open(finished):
    output = (finished / "output.txt").read_text()
    for words in (
        "FID",
        "Memorised share",
        "Audit: Exported all the same",
        f"{RESULTS}/export/",
        "make ui",
    ):
        assert words in output


def test_mlflow_has_a_run_for_the_pipeline_and_one_for_every_stage(finished):
    from mlflow import MlflowClient

    client = MlflowClient(f"sqlite:///{finished}/results/mlflow.db")
    experiment = client.get_experiment_by_name("tiny")
    runs = client.search_runs([experiment.experiment_id], max_results=200)
    parents = [run for run in runs if "mlflow.parentRunId" not in run.data.tags]
    assert len(parents) == 1
    children = [run for run in runs if "mlflow.parentRunId" in run.data.tags]
    journals = list((finished / RESULTS / "journal").glob("*.jsonl"))
    assert len(children) == len(journals)
    assert {run.info.status for run in runs} == {"FINISHED"}
    diffusion = next(run for run in children if run.info.run_name.startswith("diffusion"))
    history = client.get_metric_history(diffusion.info.run_id, "loss")
    assert history[-1].step == 320 and len(history) > 5
    drawn = next(run for run in children if run.info.run_name.startswith("draw-evaluation"))
    figures = client.list_artifacts(drawn.info.run_id, "figures/evaluation")
    assert "figures/evaluation/fid.png" in [figure.path for figure in figures]


def test_nothing_is_left_to_do_and_the_report_needs_no_network(finished):
    again = snakemake(finished, "--configfile", str(finished / "config.yaml"), "--dry-run")
    assert "Nothing to be done" in again.stdout
    report = snakemake(
        finished, "--configfile", str(finished / "config.yaml"), "--report", "report.html"
    )
    assert report.returncode == 0, report.stdout[-2000:]
    page = (finished / "report.html").read_text()
    for category in ("1 Data", "2 Autoencoder", "3 Diffusion", "4 Samples", "5 Eval", "6 Audit"):
        assert category in page
    for figure in (finished / RESULTS / "figures/evaluation").glob("*.png"):
        shown = rf'"{RESULTS}/figures/evaluation/{figure.name}": .*?"caption": (".*?"), "mime_type"'
        caption = re.sub(r"<[^>]+>", "", json.loads(re.search(shown, page)[1]))
        told = captions()[figure.stem].split("*")[0]
        assert html.unescape(caption).split()[:20] == told.split()[:20], figure.name


def test_the_same_configuration_gives_the_same_bytes(finished, tmp_path, quick):
    done = snakemake(
        tmp_path, f"{RESULTS}/export/SHA256SUMS", "--configfile", configured(tmp_path), **quick
    )
    assert done.returncode == 0, done.stdout[-4000:]

    def checksums(folder: Path) -> str:
        return (folder / RESULTS / "export/SHA256SUMS").read_text()

    assert checksums(tmp_path) == checksums(finished)


def test_a_failed_audit_stops_the_export_and_says_so(finished, tmp_path):
    """The audit of a finished run is changed to one that failed; the export refuses it."""
    audit = json.loads((finished / RESULTS / "audit.json").read_text())
    audit["gates"][0] |= {"outcome": "failed", "stops": True}
    (tmp_path / "audit.json").write_text(json.dumps(audit))
    figures = finished / RESULTS / "figures"
    refused = run(
        ["synthcohort", "export", "--system", load(finished / "config.yaml").model_dump_json()]
        + ["--audit", "audit.json", "--out", "export", "--grid", str(figures / "samples.png")]
        + ["--autoencoder", str(finished / RESULTS / "autoencoder")]
        + ["--diffusion", str(finished / RESULTS / "diffusion")]
        + ["--embedding", str(figures / "evaluation/embedding.png")]
        + ["--distances", str(figures / "distances.png"), "--results"]
        + [str(path) for path in (finished / RESULTS / "evaluation").glob("fid.json")]
        + ["--samples", *map(str, sorted((finished / RESULTS / "samples").glob("*.npz")))],
        tmp_path,
    )
    assert refused.returncode == 1 and "copies" in refused.stdout
    assert "Traceback" not in refused.stdout and not (tmp_path / "export").exists()
