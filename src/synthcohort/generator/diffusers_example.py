"""The part of a model's card that shows the model in plain diffusers; `make test` runs it."""

from collections.abc import Mapping
from typing import Any

import numpy as np

from synthcohort.generator.model_folder import Record

_SOLVERS = {
    "ddpm": ("DDPMScheduler", ""),
    "ddim": ("DDIMScheduler", ", clip_sample=False"),
    "dpm-solver++": ("DPMSolverMultistepScheduler", ""),
}


def example(record: Record, config: Mapping[str, Mapping[str, Any]]) -> str:
    """The section; `config` are the config.json of "autoencoder" and "unet"."""
    unet, autoencoder = config["unet"], config["autoencoder"]
    solver, extra = _SOLVERS[record.sampling.sampler]
    kind, network = unet["_class_name"], autoencoder["_class_name"]
    height, width = np.broadcast_to(unet["sample_size"], 2).tolist()
    place = next(i for i, label in enumerate(record.labels) if label.train_images)
    ours = network != "AutoencoderKL"
    imported = [kind, solver] if ours else ["AutoencoderKL", kind, solver]
    decoding, said = _decoding(network, autoencoder)
    condition, told = _condition(record, unet, place)
    if record.sampling.guidance != 1:
        said += "\nIt draws without guidance: these are not the images that were measured."
    return f"""## In plain diffusers

{said}

```python
import torch
from diffusers import {", ".join(sorted(imported))}
{decoding[0]}
folder = "path/to/this/folder"
unet = {kind}.from_pretrained(folder, subfolder="unet")
{decoding[1]}
solver = {solver}.from_pretrained(folder, subfolder="scheduler"{extra})
solver.set_timesteps({record.sampling.steps})
{condition}
latents = torch.randn(4, {unet["in_channels"]}, {height}, {width})
with torch.no_grad():
    for t in solver.timesteps:
        predicted = unet(latents, t, {told}).sample
        latents = solver.step(predicted, t, latents).prev_sample
    {decoding[2]}
images = (images.clamp(-1, 1) + 1) / 2  # 4×C×H×W, from 0 to 1
```
""".replace("\n\n\n", "\n\n")


def _decoding(network: str, config: Mapping[str, Any]) -> tuple[tuple[str, str, str], str]:
    """Import, loading and call of what makes pixels of latents; and what to know of it."""
    shift = config["shift_factor"]
    back = f"latents / {config['scaling_factor']!r} {'-' if shift < 0 else '+'} {abs(shift)!r}"
    if network == "IdentityAutoencoder":
        patch = config["patch"]
        shuffled = f"torch.nn.functional.pixel_shuffle({back}, {patch})"
        said = "There is no autoencoder: the U-Net works on pixels."
        return ("", "", f"images = {shuffled}"), said
    loaded = 'from_pretrained(folder, subfolder="autoencoder")'
    if network == "AutoencoderKL":
        said = "All parts are diffusers' own."
        lines = ("", f"autoencoder = AutoencoderKL.{loaded}", "")
    else:
        said = (
            "U-Net and noise schedule are diffusers' own. The autoencoder is a light one of ours\n"
            "(`StridedAutoencoder`), loaded and called as diffusers' `AutoencoderKL` is."
        )
        lines = (
            "from synthcohort.models.strided import StridedAutoencoder\n",
            f"autoencoder = StridedAutoencoder.{loaded}",
            "",
        )
    return (lines[0], lines[1], f"images = autoencoder.decode({back}).sample"), said


def _condition(record: Record, unet: Mapping[str, Any], place: int) -> tuple[str, str]:
    """The lines that make the condition of four images, and the argument that hands it over."""
    name = record.labels[place].name
    if unet["_class_name"] == "UNet2DModel":
        said = f"  # {name}; its place in labels.json" if name else ""
        return f"label = torch.full((4,), {place}){said}", "class_labels=label"
    size = 1 + len(record.labels)
    lines = [
        f"told = torch.zeros(4, {size + len(record.attributes)})",
        "told[:, 0] = 1  # zeros in all places: nothing is told",
        f"told[:, {1 + place}] = 1" + (f"  # {name}; its place in labels.json" if name else ""),
    ]
    lines += [
        f"told[:, {size + i}] = 0  # {attribute}: (value − mean) / std, as in attributes.json"
        for i, attribute in enumerate(record.attributes)
    ]
    if unet.get("encoder_hid_dim"):
        return "\n".join(lines), "encoder_hidden_states=told[:, None]"
    return "\n".join(lines), "encoder_hidden_states=None, class_labels=told"
