"""The weights that a run starts from, and the parameters that it does not train."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from torch import Tensor

from pixelwise.encoders import load_encoder_weights
from pixelwise.errors import ModelError
from pixelwise.listener import Listener
from pixelwise.models import Model, load_model
from pixelwise.nn.tracing.unread import unread_parameters
from pixelwise.words import counted


def fill_weights(model: Model, weights: str, listener: Listener, *, partial: bool = False) -> None:
    """Give a model the weights a run starts from, and say where they come from.

    Args:
        model: the model with fresh weights.
        weights: ``auto`` for ImageNet weights if they are available, ``none``, or a model file, from which every tensor
            of the same name and shape is taken.
        listener: is told where they come from.
        partial: whether a file may fill less than half of the tensors.

    Raises:
        ModelError: the file is no model file, nothing in it fits, or too little does.
    """
    if weights == "none":
        listener.say("training from scratch (weights: none)")
    elif weights == "auto" and model.encoder is None:
        listener.say(f"training from scratch: no published weights are known for {model.name}")
    elif weights == "auto":
        try:
            assert model.encoder is not None
            listener.say(load_encoder_weights(model.encoder))
        except ModelError as error:
            listener.say(f"training from scratch: {error}")
    else:
        listener.say(_fill_from_file(model, weights, partial=partial))


def _fill_from_file(model: Model, weights: str, *, partial: bool) -> str:
    """Take the tensors that fit from a model file, and say how many these are and which start afresh."""
    trained, wanted = load_model(Path(weights)), model.state_dict()
    there = trained.state_dict()
    taken = {name: there[name] for name in wanted if name in there and there[name].shape == wanted[name].shape}
    if not taken:
        raise ModelError(
            f"{weights}: no tensor of this {_kind(trained)} fits a {_kind(model)}; choose the same model and encoder"
        )
    left = _what_differs(wanted, there)
    if 2 * len(taken) < len(wanted) and not partial:
        raise ModelError(
            f"{weights}: this {_kind(trained)} fills only {counted(len(taken), 'tensor', of=len(wanted))} of a "
            f"{_kind(model)}: {left}; choose the same model and encoder, or begin with so little by the "
            "setting partial=true"
        )
    model.load_state_dict(taken, strict=False)
    fit = counted(len(taken), "tensor", "fits", of=len(wanted))
    line = f"starting from {weights}: {fit}" + (f"; {left}" if left else "")
    resize = trained.preprocessing.resize
    if resize is not None:
        line += (
            f"; its pictures were resized until the shorter side had {resize.shorter} pixels or the longer side "
            f"{resize.longer}; here they are seen at their own size"
        )
    return line


def _what_differs(wanted: Mapping[str, Tensor], there: Mapping[str, Tensor]) -> str:
    """Say how many tensors have no counterpart, and how many have one of another shape, each with an example."""
    missing = [name for name in wanted if name not in there]
    reshaped = [name for name in wanted if name in there and there[name].shape != wanted[name].shape]
    parts = []
    if missing:
        parts.append(f"{counted(len(missing), 'tensor', 'is')} not in the file (such as {missing[0]})")
    if reshaped:
        first = reshaped[0]
        shapes = f"{tuple(there[first].shape)} there, {tuple(wanted[first].shape)} here"
        parts.append(f"{counted(len(reshaped), 'tensor', 'has')} another shape (such as {first}: {shapes})")
    return ", ".join(parts)


def leave_out_unread(model: Model, listener: Listener) -> None:
    """Take the parameters that no output of a model reads out of training, and say so; they keep their values.

    Some encoders make maps that some decoders do not use. Parameters that never get a gradient must be known
    beforehand, because processes that train together wait for the gradients of all trained parameters.

    Args:
        model: the model that is about to be trained.
        listener: is told how many there are.
    """
    side = model.geometry.input_size(model.geometry.smallest)
    unread = unread_parameters(model.network, (2, model.preprocessing.channels, side, side))
    if not unread:
        return
    parameters = dict(model.network.named_parameters())
    for name in unread:
        parameters[name].requires_grad_(False)
    left, total = (sum(parameters[name].numel() for name in names) for names in (unread, parameters))
    listener.say(
        f"left out of training: {left:,} of {total:,} parameters, which no output of this {_kind(model)} reads "
        f"({unread[0]} is the first)"
    )


def _kind(model: Model) -> str:
    encoder = model.options.get("encoder")
    return model.name if encoder is None else f"{model.name} on {encoder}"
