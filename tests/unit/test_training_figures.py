"""What is drawn of the trainings: again and alone, from what they have left."""

import shutil
from pathlib import Path

import numpy as np
import pytest
import trained
from PIL import Image
from trained import AUTOENCODER, HARDWARE, JOURNAL, data, diffusion

from synthcohort.training import loop
from synthcohort.training.draw_autoencoder import draw_autoencoder
from synthcohort.training.draw_diffusion import draw_diffusion

# The fixture of these tests too.
system = trained.system

OF_THE_DIFFUSION = {
    "diffusion-training.png", "noising.png", "denoising.png", "denoising.gif", "snapshots.png",
}  # fmt: skip


def _drawn(folder: Path, figures: Path, trained: str = "diffusion") -> dict[str, bytes]:
    """All figures of the diffusion model by name."""
    draw_diffusion(
        seed=0,
        **data(folder),
        latents=folder / "latents",
        autoencoder=folder / "autoencoder",
        diffusion=folder / trained,
        history=folder / f"{trained}.json",
        snapshots=folder / f"{trained}.npz",
        figures=figures,
        hardware=HARDWARE,
        journal=JOURNAL,
    )
    return {path.name: path.read_bytes() for path in figures.iterdir()}


def _drawn_autoencoder(folder: Path, figures: Path) -> dict[str, bytes]:
    draw_autoencoder(
        AUTOENCODER,
        history=folder / "autoencoder.json",
        arrays=folder / "measured.npz",
        figures=figures,
        journal=JOURNAL,
    )
    return {path.name: path.read_bytes() for path in figures.iterdir()}


def test_the_diffusion_model_s_figures_are_drawn_again_with_the_same_bytes(system, tmp_path):
    figures = _drawn(system, tmp_path / "once")
    assert figures.keys() == OF_THE_DIFFUSION
    assert figures == _drawn(system, tmp_path / "again")
    for name in figures:
        assert Image.open(tmp_path / "once" / name).size[0] > 500, name
    assert Image.open(tmp_path / "once/denoising.gif").n_frames > 10


def test_the_autoencoder_s_figures_show_its_training_and_reconstructions(system, tmp_path):
    figures = _drawn_autoencoder(system, tmp_path / "once")
    assert figures.keys() == {"autoencoder-training.png", "reconstructions.png"}
    assert figures == _drawn_autoencoder(system, tmp_path / "again")
    with np.load(system / "measured.npz", allow_pickle=False) as shown:
        real, made = shown["images"], shown["reconstructions"]
    assert real.shape == made.shape == (8, 1, 16, 16) and real.dtype == made.dtype == np.uint8
    images = np.load(system / "cohort/images.npy")
    assert all((images[40:50] == one).all((1, 2, 3)).any() for one in real), "not of validation"


@pytest.mark.parametrize("kept", [0, 3])
def test_a_training_that_an_older_version_has_ended_is_drawn_with_what_is_kept_of_it(
    system, tmp_path, monkeypatch, kept
):
    name = f"older-{kept}"
    diffusion(system, name)
    # That version left the model and the checkpoint; the first ones kept no samples either.
    for path in (system / f"{name}.json", system / f"{name}.npz"):
        path.unlink()
    shutil.rmtree(system / name)
    snapshots = sorted((system / f"checkpoints-{name}").glob("*/snapshot-*.npy"))
    for path in snapshots[kept:]:
        path.unlink()

    with monkeypatch.context() as patch:
        patch.setattr(loop, "learning_rate", lambda *_: pytest.fail("there is nothing to train"))
        diffusion(system, name)
    assert (system / f"{name}.json").read_bytes() == (system / "diffusion.json").read_bytes()
    with np.load(system / f"{name}.npz", allow_pickle=False) as taken:
        assert len(taken["images_seen"]) == len(taken["samples"]) == kept
    figures = _drawn(system, tmp_path / name, name)
    assert figures.keys() == OF_THE_DIFFUSION
    assert Image.open(tmp_path / name / "snapshots.png").size[0] > 500
