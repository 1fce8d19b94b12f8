"""CLIP as an extractor: from a file in OpenAI's form, here of a small network without training."""

import numpy as np
import pytest
import torch
from torch import nn
from torch_fidelity import feature_extractor_clip as peer

from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.evaluation import metrics
from synthcohort.evaluation.extractors import clip
from synthcohort.files import sha256
from synthcohort.hardware import Hardware

WIDTH = 64

pytestmark = pytest.mark.filterwarnings("ignore")  # TorchScript is deprecated, and CLIP is in it


class Published(nn.Module):
    """The parts of OpenAI's files that a reader looks at."""

    def __init__(self) -> None:
        super().__init__()
        self.visual = peer.VisionTransformer(32, 8, WIDTH, 1, 1, 16)
        self.text_projection = nn.Parameter(torch.zeros(4, 16))

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        return self.visual(images)


@pytest.fixture
def weights(tmp_path, monkeypatch):
    torch.manual_seed(0)
    path = tmp_path / "ViT-tiny.pt"
    torch.jit.trace(Published().eval(), torch.zeros(1, 3, 32, 32)).save(path)
    monkeypatch.setitem(peer.MODEL_METADATA["clip-vit-b-32"], "hash", sha256(path))
    return path


def test_features_are_torch_fidelitys_own(weights):
    settings = Evaluation(clip_weights=weights)
    name, _, features = clip.open_extractor(settings, 0, {}, Hardware("cpu", threads=1))
    images = np.random.default_rng(0).integers(0, 256, (3, 1, 20, 24), np.uint8)
    oracle = peer.FeatureExtractorCLIP(
        "clip-vit-b-32", ["clip"], feature_extractor_weights_path=weights
    )
    (expected,) = oracle(torch.from_numpy(images).repeat(1, 3, 1, 1))
    torch.testing.assert_close(features(images), expected)
    torch.testing.assert_close(features(images.astype(np.uint16) * 257), expected)
    assert "clip-vit-b-32" in name and expected.shape == (3, 16) and expected.std() > 0


def test_other_files_are_refused(weights, tmp_path):
    other = tmp_path / "other.pt"
    other.write_bytes(weights.read_bytes() + b" ")
    for path, told in ((other, r"none of OpenAI's files \(.*clip-vit-l-14"), (tmp_path, "no file")):
        with pytest.raises(UserError, match=told):
            clip.open_extractor(Evaluation(clip_weights=path), 0, {}, Hardware("cpu"))


def test_it_is_measured_where_its_weights_are_told(weights):
    assert "frechet_clip" not in metrics.names(Evaluation())
    asked = Evaluation(clip_weights=weights)
    assert set(metrics.names(asked)) - set(metrics.names(Evaluation())) == {"frechet_clip"}
    assert metrics.jobs(asked)["clip"] == ["frechet_clip"]
