"""CLIP's image encoder (Radford 2021) in torch-fidelity's own blocks."""

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
    """The embedding of grey or RGB images; the arguments and what is returned are in the package's
    docstring.

    Raises:
        UserError: `settings.clip_weights` is no file, or its sha256 is not one of OpenAI's files.
    """
    import torch
    from torch_fidelity.feature_extractor_clip import MODEL_METADATA, FeatureExtractorCLIP

    weights = settings.clip_weights
    if not weights.is_file():
        raise UserError(
            f"evaluation.clip_weights: there is no file {weights}; correct the path, or leave the "
            "key out to go without CLIP"
        )
    found = sha256(weights)
    # Known before it is opened: a TorchScript is a program.
    names = {about["hash"]: name for name, about in MODEL_METADATA.items()}
    if found not in names:
        raise UserError(
            f"evaluation.clip_weights: {weights} has the sha256 {found}, which is none of OpenAI's "
            f"files ({', '.join(names.values())}); download it again"
        )
    device = hardware.open()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)  # torch.jit.load is deprecated
        network = FeatureExtractorCLIP(
            names[found], ["clip"], feature_extractor_weights_path=weights
        ).to(device)

    def features(images: np.ndarray) -> "torch.Tensor":
        pixels = torch.from_numpy(as_uint8(images)).to(device)
        return network(pixels.expand(-1, 3, -1, -1))[0]

    return f"CLIP, {names[found]} (torch-fidelity)", "image embedding", features
