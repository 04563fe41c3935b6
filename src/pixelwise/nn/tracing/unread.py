"""Finding the parameters of a network that nothing reads, from the graph of one run on shapes alone."""

from __future__ import annotations

import torch
from torch import nn


def unread_parameters(network: nn.Module, images: tuple[int, int, int, int]) -> list[str]:
    """Name the parameters that no output of a network reads in training mode, which therefore get no gradient.

    Args:
        network: takes images (N, C, H, W) and returns a tensor, or a list or tuple of them; it is left as it is.
        images: their shape.
    """
    names, state = {}, {}
    for name, value in [*network.named_parameters(), *network.named_buffers()]:
        state[name] = torch.empty_like(value, device="meta")
        if isinstance(value, nn.Parameter) and value.requires_grad:
            names[id(state[name].requires_grad_())] = name
    modes = [(part, part.training) for part in network.modules()]
    network.train()
    try:
        with torch.enable_grad():
            outputs = torch.func.functional_call(network, state, torch.empty(images, device="meta"))
    finally:
        for part, training in modes:
            part.training = training
    # The graph of what was computed ends at the parameters that were read.
    ahead = [output.grad_fn for output in (outputs if isinstance(outputs, list | tuple) else [outputs])]
    seen = set()
    while ahead:
        step = ahead.pop()
        if step is None or step in seen:
            continue
        seen.add(step)
        names.pop(id(getattr(step, "variable", None)), None)
        ahead += [before for before, _ in step.next_functions]
    return list(names.values())
