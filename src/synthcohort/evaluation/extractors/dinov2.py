"""DINOv2's image encoder (Oquab 2023) from a TorchScript file, with torch-fidelity's own resizing
and normalisation.

Its authors publish weights that their own code alone can open. A TorchScript of it is made where
that code can be downloaded:

    model = torch.hub.load("facebookresearch/dinov2", "dinov2_vitb14").eval()
    torch.jit.trace(model, torch.zeros(1, 3, 224, 224)).save("dinov2_vitb14.pt")
"""

import warnings
from collections.abc import Callable, Mapping
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

MODELS = ()
AHEAD = True


def open_extractor(
    settings: Evaluation, seed: int, models: Mapping[str, Path], hardware: Hardware
) -> tuple[str, str, Callable[[np.ndarray], "torch.Tensor"]]:
    """What the network gives for grey or RGB images at 224×224; the arguments and what is returned
    are in the package's docstring. The file's sha256 is told in the name: no file is the known one.

    Raises:
        UserError: `settings.dinov2_weights` is no TorchScript, or it does not give N×D features.
    """
    import torch
    from torch_fidelity.feature_extractor_base import FeatureExtractorBase
    from torch_fidelity.feature_extractor_dinov2 import FeatureExtractorDinoV2

    weights = settings.dinov2_weights
    if not weights.is_file():
        raise UserError(
            f"evaluation.dinov2_weights: there is no file {weights}; correct the path, or leave "
            "the key out to go without DINOv2"
        )
    device = hardware.open()

    class FromTorchScript(FeatureExtractorDinoV2):
        def __init__(self, model: torch.nn.Module) -> None:
            """As torch-fidelity's, which takes its network from the internet alone."""
            FeatureExtractorBase.__init__(self, "dinov2", ["dinov2"])
            self.feature_extractor_internal_dtype = torch.float32
            self.model = model
            self.eval()

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", FutureWarning)  # torch.jit.load is deprecated
            network = FromTorchScript(torch.jit.load(weights, map_location=device))
        with torch.inference_mode():
            shape = network(torch.zeros(2, 3, 224, 224, dtype=torch.uint8, device=device))[0].shape
    except RuntimeError as error:
        raise UserError(
            f"evaluation.dinov2_weights: {weights} is no TorchScript that takes N×3×224×224 "
            f"images: {str(error).splitlines()[0]}"
        ) from None
    if len(shape) != 2:
        raise UserError(
            f"evaluation.dinov2_weights: {weights} gives {tuple(shape)} for two images; expected "
            "one row of features each, such as DINOv2's class token"
        )

    def features(images: np.ndarray) -> "torch.Tensor":
        pixels = torch.from_numpy(as_uint8(images)).to(device)
        return network(pixels.expand(-1, 3, -1, -1))[0]

    name = f"TorchScript {weights.name}, sha256 {sha256(weights)}, resized as DINOv2's input"
    return name, f"output, {shape[1]} features", features
