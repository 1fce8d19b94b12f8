"""A network in a TorchScript file as an extractor, in the place of DINOv2."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_fidelity.interpolate_compat_tensorflow import (
    interpolate_bilinear_2d_like_tensorflow1x as resized,
)

from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation import metrics
from synthcohort.evaluation.extractors import dinov2
from synthcohort.files import sha256
from synthcohort.hardware import Hardware

pytestmark = pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated

CPU = Hardware("cpu", threads=1)


def saved(path, *last: nn.Module):
    torch.manual_seed(0)
    network = nn.Sequential(nn.Conv2d(3, 5, 14, 14), *last).eval()
    torch.jit.trace(network, torch.zeros(1, 3, 224, 224)).save(path)
    return path, network


def test_images_are_resized_and_normalised_as_dinov2_takes_them(tmp_path):
    path, network = saved(tmp_path / "tiny.pt", nn.AdaptiveAvgPool2d(1), nn.Flatten())
    settings = Evaluation(dinov2_weights=path)
    name, layer, features = dinov2.open_extractor(settings, 0, {}, CPU)
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 20, 24), np.uint8)
    pixels = torch.from_numpy(images).float().expand(-1, 3, -1, -1)
    pixels = resized(pixels, size=(224, 224), align_corners=False) / 255
    mean, deviation = torch.tensor([[0.485, 0.456, 0.406], [0.229, 0.224, 0.225]])[..., None, None]
    expected = network((pixels - mean) / deviation)
    torch.testing.assert_close(features(images), expected, rtol=1e-4, atol=1e-5)
    torch.testing.assert_close(features(images.astype(np.uint16) * 257), features(images))
    assert sha256(path) in name and layer == "output, 5 features"


def test_what_gives_no_features_is_refused(tmp_path):
    (tmp_path / "text.pt").write_bytes(b"no program")
    maps, _ = saved(tmp_path / "maps.pt")
    for path, told in (
        (tmp_path / "none.pt", "there is no file"),
        (tmp_path / "text.pt", r"text\.pt is no TorchScript"),
        (maps, r"gives \(2, 5, 16, 16\) for two images"),
    ):
        with pytest.raises(UserError, match=told):
            dinov2.open_extractor(Evaluation(dinov2_weights=path), 0, {}, CPU)


def test_it_is_measured_where_its_file_is_told(tmp_path):
    assert "frechet_dinov2" not in metrics.names(Evaluation())
    asked = Evaluation(dinov2_weights=tmp_path / "tiny.pt")
    assert metrics.jobs(asked)["dinov2"] == ["frechet_dinov2"]
