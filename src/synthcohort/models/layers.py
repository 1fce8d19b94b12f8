"""A network's layers as a table to read."""

from collections.abc import Callable

import torch
from torch import nn

LAYERS = "layers.txt"
"""The file in a model's folder."""


@torch.no_grad()
def layers(network: nn.Module, call: Callable[[], object]) -> str:
    """A line for every layer that holds weights itself: name, kind, shape of what it gives for an
    image while `call` calls the network, number of weights; and their sum."""
    rows: list[tuple[str, str, str, int]] = []

    def noted(name: str) -> Callable[..., None]:
        def note(layer: nn.Module, _: object, given: torch.Tensor) -> None:
            weights = sum(p.numel() for p in layer.parameters(recurse=False))
            rows.append((name, type(layer).__name__, "×".join(map(str, given.shape[1:])), weights))

        return note

    hooks = [
        layer.register_forward_hook(noted(name))
        for name, layer in network.named_modules()
        if next(layer.parameters(recurse=False), None) is not None
    ]
    call()
    for hook in hooks:
        hook.remove()
    total = sum(p.numel() for p in network.parameters())
    table = [("Layer", "Kind", "Gives", "Weights")]
    table += [(*words, f"{weights:,}") for *words, weights in rows]
    table.append(("All", "", "", f"{total:,}"))
    wide = [max(map(len, column)) for column in zip(*table, strict=True)]
    return "".join(
        f"{name:{wide[0]}}  {kind:{wide[1]}}  {shape:{wide[2]}}  {weights:>{wide[3]}}\n"
        for name, kind, shape, weights in table
    )
