"""Model files: safetensors files with everything that a prediction needs, and nothing that runs code."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from pixelwise import __version__
from pixelwise.card import UntracedCard
from pixelwise.errors import ModelError, SettingError, quoted
from pixelwise.io.atomic import atomic_path
from pixelwise.io.text_name import TextName
from pixelwise.models.build import Model, build_from_card, read_options
from pixelwise.models.description import Described, parse_card
from pixelwise.models.model_file import find_model_file
from pixelwise.nn.allocation import AllocationLimit, TooMuchMemory
from pixelwise.nn.tracing.shapes import on_shapes

WEIGHT_TYPES = (torch.float32, torch.float16, torch.bfloat16, torch.float64)
"""The types that weights may be stored in; they are read into float32."""

MEASURING_BYTES = 2**26
"""The bytes that may be allocated beside those that the tensors of a file justify, to measure small networks."""


def save_model(model: Model, path: str | Path) -> None:
    """Write a model, its weights and its card, as one ``.safetensors`` file.

    The file is written completely or not at all.

    Raises:
        PixelwiseError: the path cannot be written.
    """
    described = {"version": __version__, **model.card.to_dict()}
    tensors = {key: value.detach().cpu().contiguous() for key, value in model.state_dict().items()}
    # The library's own writer is not used, because it reports a full disk as another error.
    content = save(tensors, metadata={"pixelwise": json.dumps(described)})
    with atomic_path(Path(path)) as beside:
        beside.write_bytes(content)


def load_model(path: str | Path) -> Model:
    """Read a model file, or the one inside a run folder, and return the model in evaluation mode on the CPU.

    The file may come from an untrusted source: nothing in it is run, nothing is downloaded, and the network that is
    built is no larger than the tensors in the file.

    Raises:
        ModelError: there is no such file, it is not a pixelwise model file, or its parts are not valid or do not fit
            each other.
    """
    file = find_model_file(path)
    with _named(file), _open(file) as opened:
        described = _describe(opened)
        tensors = _tensors(opened)
        return _fill(_build(described, tensors), tensors, described)


def read_card(path: str | Path) -> UntracedCard:
    """Read the card of a model file without building the model.

    Returns:
        A :class:`pixelwise.card.ModelCard`; or a card without geometry, if an earlier version wrote the file.

    Raises:
        ModelError: there is no such file, it is not a pixelwise model file, or its card is not valid.
    """
    file = find_model_file(path)
    with _named(file), _open(file) as opened:
        return _describe(opened).card


def _describe(opened: Any) -> Described:
    metadata = opened.metadata() or {}
    if "pixelwise" not in metadata:
        raise ModelError("holds weights without pixelwise's description; write models with save_model()")
    described = parse_card(metadata["pixelwise"])
    try:
        read_options(described.card.name, described.card.options)
    except SettingError as error:
        raise ModelError(str(error)) from None
    return described


@contextmanager
def _named(file: Path) -> Iterator[None]:
    """Put the name of the file before the message of a ModelError."""
    try:
        yield
    except ModelError as error:
        raise ModelError(f"{file}: {error}") from error.__cause__


def _open(file: Path) -> Any:
    """Open a file of tensors, as a context manager.

    Raises:
        ModelError: the file cannot be read, or is no file of tensors.
    """
    try:
        with TextName(file) as name:
            return safe_open(name, framework="pt")
    except (SafetensorError, OSError) as error:
        raise ModelError(_why_not_safetensors(file, error)) from None


def _tensors(opened: Any) -> dict[str, Tensor]:
    try:
        return {key: opened.get_tensor(key) for key in opened.keys()}  # noqa: SIM118 (no mapping)
    except (SafetensorError, OSError, RuntimeError, ValueError, TypeError, AttributeError) as error:
        reason = textwrap.shorten(str(error), 300, placeholder=" ...")
        raise ModelError(f"its tensors cannot be read ({reason})") from None


def _build(described: Described, tensors: Mapping[str, Tensor]) -> Model:
    """Build the network that a file describes, within the memory that its tensors justify."""

    def build() -> Model:
        return build_from_card(described.card)

    # Networks stored in float16 or bfloat16 are built in float32, and encoders are copied once to be measured.
    limit = 4 * sum(4 * tensor.numel() for tensor in tensors.values()) + MEASURING_BYTES
    try:
        try:
            with AllocationLimit(limit):
                return build()
        except TooMuchMemory:
            # Encoders are built with their classifiers, which are most of a VGG. Building them on shapes alone shows
            # how much memory the rest takes.
            with on_shapes():
                shapes = {key: value.shape for key, value in build().state_dict().items()}
            if shapes != {key: value.shape for key, value in _inside_network(tensors).items()}:
                raise
            return build()
    except Exception as error:  # options have the right types, but builders and libraries may refuse their values
        raise _misfit(described, error) from error


def _fill(model: Model, tensors: Mapping[str, Tensor], described: Described) -> Model:
    """Put the tensors of a file into its network."""
    renamed = _inside_network(tensors)
    _check_types(model.state_dict(), renamed)
    try:
        model.load_state_dict(renamed)
    except RuntimeError as error:
        raise _misfit(described, error) from error
    return model.eval()


def _misfit(described: Described, error: Exception) -> ModelError:
    reason = textwrap.shorten(str(error) or type(error).__name__, 300, placeholder=" ...")
    return ModelError(
        f"the model does not fit its description ({reason}); it was written by pixelwise {described.version}, "
        f"this is {__version__}"
    )


def _check_types(wanted: Mapping[str, Tensor], given: Mapping[str, Tensor]) -> None:
    """Refuse types whose values would change when they are copied into the network.

    All weights of a file have the same type, which may be any of :data:`WEIGHT_TYPES`.

    Raises:
        ModelError: a tensor has another kind of numbers than the network expects, or than the rest of the file has.
    """
    floats = {key: value.dtype for key, value in given.items() if value.is_floating_point()}
    usual = next(iter(floats.values()), torch.float32)
    for key, value in given.items():
        if key not in wanted:
            continue  # missing tensors are reported later, all together
        expected = usual if wanted[key].is_floating_point() and usual in WEIGHT_TYPES else wanted[key].dtype
        if value.dtype != expected:
            raise ModelError(f"tensor {quoted(key)} holds {value.dtype}, expected {expected}; write the model again")


def _inside_network(tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
    """Give tensors their current names; the first model files had encoder, decoder and head outside of ``network``.

    Raises:
        ModelError: a tensor exists under both names.
    """
    renamed = {
        f"network.{key}" if key.startswith(("encoder.", "decoder.", "head.")) else key: value
        for key, value in tensors.items()
    }
    if len(renamed) < len(tensors):
        raise ModelError("a tensor is there twice, inside the network and outside of it; write the model again")
    return renamed


def _why_not_safetensors(file: Path, error: Exception) -> str:
    if file.suffix in (".onnx", ".xml"):
        return "this is an exported file, which only labels pictures; give the run folder or the .safetensors file"
    try:
        with file.open("rb") as opened:
            head = opened.read(4)
    except OSError as unreadable:
        return f"the file cannot be read ({unreadable.strerror})"
    if head[:2] == b"PK" or head[:1] == b"\x80":
        return (
            "this is a pickle (a torch checkpoint), which can run code when it is opened; pixelwise reads "
            "safetensors only. Load it where you trust it and write it with pixelwise.save_model()"
        )
    return f"this is no safetensors model file ({textwrap.shorten(str(error), 300, placeholder=' ...')})"
