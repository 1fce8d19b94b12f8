"""Membership inference on the denoiser's loss (Carlini 2023, section 5.1; Matsumoto 2023): can
somebody who has the model and a patient's image tell that it was trained on?

The loss of every image is taken at the same timesteps with the same noise and averaged. Train
images on which it is lower than on test images give themselves away: the value is the area under
the ROC curve of "lower loss" for train against test images, 0.5 without any leak, 1 where every
train image is told. It is a test of the model, for attackers who have it; with the synthetic images
alone one can do less, but what the model does not hold they cannot show.
"""

from collections.abc import Mapping
from pathlib import Path

import numpy as np

from synthcohort.config import Evaluation
from synthcohort.drawing import BLACK, BLUE, GREEN, ORANGE, save
from synthcohort.evaluation.material import Material
from synthcohort.evaluation.metrics.real_or_synthetic import area
from synthcohort.files import read_json
from synthcohort.hardware import Hardware
from synthcohort.measures import Measure
from synthcohort.numerics.resampling import bootstrap_weights, percentile_interval
from synthcohort.seeds import derive, torch_generator

EXTRACTOR = None
MODELS = ("autoencoder", "diffusion", "latents")
MEASURES = (
    Measure(
        "membership",
        "Membership inference, AUC",
        320,
        "privacy",
        "lower",
        "How well the denoiser's loss tells its train patients from patients it has not seen; AUC"
        " 0.5 is guessing, 1 gives every train patient away.",
    ),
)
CAPTION = """\
Can it be told from the denoiser's loss that an image was trained on? Left: the loss of real train
and of real test images, at the same timesteps with the same noise. Right: the ROC curve of "lower
loss, so trained on". An area of 0.5 is chance, no leak; 1 means that every train image is told.

This is the plainest attack of somebody who holds the model. That it fails does not show that a
stronger one would.
"""
# Shares of T. Near t = 0 and near T all images are alike to the network; Carlini finds t of some
# 100 of 1000 the most telling.
TIMES = (0.05, 0.1, 0.2, 0.3)
NOISES = 2
BATCH = 64
HALVINGS = 200


def measure(
    settings: Evaluation, *, seed: int, material: Material, hardware: Hardware
) -> tuple[dict, dict[str, np.ndarray]]:
    """The floor is 0.5 by construction; its interval, the AUC between random halves of the test
    patients, which nobody was trained on (half as many images, so it is wider than by N)."""
    sets = {name: material.sets[name] for name in ("train", "test")}
    rows = np.concatenate([part.rows for part in sets.values()])
    loss = losses(material, rows, derive(seed, "evaluation", "membership"), hardware)
    member = np.repeat([1, 0], [len(part.rows) for part in sets.values()])
    patients = np.concatenate([part.patients for part in sets.values()])
    weights = bootstrap_weights(patients, derive(seed, "membership", "bootstrap"))
    fold = np.zeros(len(member), dtype=int)
    value = float(area(-loss, member, fold, np.ones((1, len(member))))[0])
    interval = percentile_interval(area(-loss, member, fold, weights))
    floor = {
        "value": 0.5,
        "interval": _halves(loss[member == 0], sets["test"].patients, derive(seed, "halves")),
    }
    result = {
        "extractor": "this system's denoiser",
        "layer": f"loss at {len(TIMES)} timesteps with {NOISES} noises each",
        "value": value,
        "interval": interval,
        "interval_method": "bootstrap over patients, percentiles; the model is not trained again",
        "floor": floor,
        "n": {name: len(part.rows) for name, part in sets.items()},
        "note": "",  # real images of every label take part
        "details": {
            "timesteps_of_T": list(TIMES),
            "mean_loss": {
                name: float(loss[member == i].mean()) for name, i in (("train", 1), ("test", 0))
            },
        },
    }
    return result, {"train": loss[member == 1], "test": loss[member == 0]}


def draw(path: Path, result: Mapping, arrays: Mapping[str, np.ndarray]) -> None:
    """Histograms of the denoiser's loss on train and test images, and the ROC curve."""
    from matplotlib.figure import Figure

    train, test = arrays["train"], arrays["test"]
    interval, floor = result["interval"], result["floor"]["interval"]
    figure = Figure(figsize=(9, 4.2), layout="constrained")
    left, right = figure.subplots(1, 2)
    bins = np.histogram_bin_edges(np.concatenate([train, test]), 30)
    for values, name, colour in ((train, "train", GREEN), (test, "test", BLUE)):
        weights = np.full(len(values), 100 / len(values))
        legend = f"real {name} images (N = {len(values)})"
        left.hist(values, bins, weights=weights, color=colour, alpha=0.3, label=legend)
        left.hist(values, bins, weights=weights, color=colour, histtype="step", linewidth=1.5)
    left.set(xlabel="Denoiser's loss (1 = mean of all images)", ylabel="Share of images (%)")
    left.legend(fontsize=8)
    cuts = np.concatenate([[-np.inf], np.sort(np.concatenate([train, test]))])
    curve = [[(values <= cut).mean() for cut in cuts] for values in (test, train)]
    legend = f"AUC {result['value']:.2f} [{interval[0]:.2f}, {interval[1]:.2f}]"
    right.plot(*curve, color=ORANGE, label=legend)
    chance = f"chance; halves of test: AUC {floor[0]:.2f} to {floor[1]:.2f}"
    right.plot([0, 1], [0, 1], color=BLACK, linestyle="--", linewidth=1, label=chance)
    right.set(
        xlabel="Test images taken for train images (share)",
        ylabel="Train images found (share)",
        aspect="equal",
    )
    right.legend(loc="lower right", fontsize=8)
    save(figure, path)


def losses(material: Material, rows: np.ndarray, seed: int, hardware: Hardware) -> np.ndarray:
    """The loss of the real images `rows` (of the manifest), N float64: squared error of what the
    network is trained to predict, told the image's label and attributes, at each timestep over its
    mean over the images, so that all timesteps count alike."""
    import torch
    from diffusers.schedulers.scheduling_ddpm import DDPMScheduler

    from synthcohort.diffusion.objective import target
    from synthcohort.models import load_denoiser
    from synthcohort.models.condition import describe, predict
    from synthcohort.models.pixels import normalise

    device, models, cohort = hardware.exact().open(), material.models, material.cohort
    denoiser = load_denoiser(models["diffusion"]).to(device)
    schedule = DDPMScheduler.from_pretrained(models["diffusion"], subfolder="scheduler")
    schedule.alphas_cumprod = schedule.alphas_cumprod.to(device)
    names = read_json(models["diffusion"] / "labels.json")["names"]
    standard = read_json(models["diffusion"] / "attributes.json")
    condition = describe(
        cohort.classes[rows],
        len(names),
        cohort.attributes[rows],
        standard["mean"],
        standard["std"],
    )
    latents = np.load(models["latents"] / "mean.npy", mmap_mode="r", allow_pickle=False)
    clean = normalise(
        torch.from_numpy(latents[rows]), read_json(models["autoencoder"] / "config.json")
    )
    noises = torch.randn(
        len(TIMES), NOISES, *clean.shape[1:], generator=torch_generator(seed, "noise")
    )
    steps = schedule.config.num_train_timesteps
    found = np.empty((len(TIMES), len(rows)))
    with torch.inference_mode():
        for i, share in enumerate(TIMES):
            for start in range(0, len(rows), BATCH):
                here = slice(start, start + BATCH)
                z, told = clean[here].to(device), condition[here].to(device)
                t = torch.full((len(z),), min(round(share * steps), steps - 1), device=device)
                error = torch.zeros(len(z), device=device)
                for noise in noises[i].to(device):
                    drawn = noise.expand_as(z)
                    predicted = predict(denoiser, schedule.add_noise(z, drawn, t), t, told)
                    wanted = target(schedule, z, drawn, t)
                    error += (predicted - wanted).square().flatten(1).mean(1)
                found[i, here] = error.cpu().numpy()
    return (found / found.mean(1, keepdims=True)).mean(0)


def _halves(loss: np.ndarray, patients: np.ndarray, seed: int) -> list[float]:
    names, number = np.unique(patients, return_inverse=True)
    random, found = np.random.default_rng(seed), []
    fold, ones = np.zeros(len(loss), dtype=int), np.ones((1, len(loss)))
    for _ in range(HALVINGS):
        half = random.permutation(len(names))[number] < len(names) // 2
        found.append(area(-loss, half.astype(int), fold, ones)[0])
    return percentile_interval(np.array(found))
