"""What the denoiser is told of an image: one vector, and the call that each U-Net wants.

The vector holds a 1, the label as one-hot, and the attributes in standard deviations from their
mean over train; all zeros mean that nothing is told (label and attributes are withheld together).
"""

import numpy as np
import torch
from torch import nn


def describe(
    classes: np.ndarray, labels: int, attributes: np.ndarray, mean: list[float], std: list[float]
) -> torch.Tensor:
    """The conditions of n images, n×(1+labels+A) float32.

    `classes` are n class numbers below `labels`, `attributes` n×A with their `mean` and `std`.
    """
    one_hot = np.eye(labels, dtype=np.float32)[classes]
    values = (attributes - np.array(mean)) / np.array(std)
    told = [np.ones((len(classes), 1)), one_hot, values.reshape(len(classes), -1)]
    return torch.from_numpy(np.concatenate(told, axis=1).astype(np.float32))


def withheld(model: nn.Module, count: int) -> torch.Tensor:
    """The conditions of `count` images of which the model is told nothing, on its device."""
    config = model.config
    size = (
        config.get("encoder_hid_dim")
        or config.get("projection_class_embeddings_input_dim")
        or config["num_class_embeds"]
    )
    return torch.zeros(count, size, device=next(model.parameters()).device)


def predict(
    model: nn.Module, noisy: torch.Tensor, t: torch.Tensor, condition: torch.Tensor
) -> torch.Tensor:
    """The U-Net's prediction for `noisy` (B×C×H×W) at the timesteps `t`, B×C×H×W float32."""
    if model.config.get("encoder_hid_dim"):
        told = {"encoder_hidden_states": condition[:, None]}
    elif model.config.get("projection_class_embeddings_input_dim"):
        told = {"encoder_hidden_states": None, "class_labels": condition}
    else:
        known, label = condition[:, 0] > 0, condition[:, 1:].argmax(1)
        told = {"class_labels": label.where(known, condition.shape[1] - 1)}
    return model(noisy, t, **told).sample.float()
