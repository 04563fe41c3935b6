"""The weights that a run starts from."""

from __future__ import annotations

from pathlib import Path

from pixelwise.encoders import load_encoder_weights
from pixelwise.errors import ModelError
from pixelwise.listener import Listener
from pixelwise.models import Model, load_model
from pixelwise.words import counted


def fill_weights(model: Model, weights: str, listener: Listener) -> None:
    """Give a model the weights a run starts from, and say where they come from.

    Args:
        model: with fresh weights.
        weights: ``auto`` for ImageNet weights if they are at hand, ``none``, or a model file, of which every tensor
            of the same name and shape is taken.
        listener: hears where they come from.

    Raises:
        ModelError: the file is no model file, or nothing in it fits.
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
        trained, wanted = load_model(Path(weights)), model.state_dict()
        taken = {k: v for k, v in trained.state_dict().items() if k in wanted and wanted[k].shape == v.shape}
        if not taken:
            raise ModelError(
                f"{weights}: no tensor of this {_kind(trained)} fits a {_kind(model)}; choose the same model and "
                "encoder"
            )
        model.load_state_dict(taken, strict=False)
        listener.say(f"starting from {weights}: {counted(len(taken), 'tensor', 'fits', of=len(wanted))}")
        resize = trained.preprocessing.resize
        if resize is not None:
            listener.say(
                f"its pictures were resized until the shorter side had {resize.shorter} pixels or the longer side "
                f"{resize.longer}; here they are seen at their own size"
            )


def _kind(model: Model) -> str:
    encoder = model.options.get("encoder")
    return model.name if encoder is None else f"{model.name} on {encoder}"
