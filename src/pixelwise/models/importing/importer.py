"""Importing networks that were trained with another library: their tensors are stored under the names used here.

Sources that have no equivalent here are refused by name, and so is every tensor without a place, so that an imported
model computes what its source computed.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pixelwise.errors import ModelError, SettingError
from pixelwise.models.base import SegmentationModel
from pixelwise.models.build import Model, build_model
from pixelwise.models.importing.checkpoint import read_checkpoint
from pixelwise.models.importing.misfits import explain_by_names, explain_by_shapes
from pixelwise.models.importing.recipe import Recipe
from pixelwise.models.importing.sizes import take_sizes_as_smp
from pixelwise.models.importing.sources import find_recipe
from pixelwise.models.importing.stated_options import StatedOptions, options_of, take_activation
from pixelwise.preprocessing import Preprocessing, Resize
from pixelwise.types import LabelSpace
from pixelwise.words import agreeing, counted

MOST_LISTED_TENSORS = 6
"""The most names of tensors that an error lists; the others are only counted."""

BATCH_COUNTER = ".num_batches_tracked"
"""A counter of batch norms that no output depends on; checkpoints of early torch versions do not have it."""


@dataclass(frozen=True, eq=False)
class Imported:
    """A model that was made from the tensors of another library."""

    model: Model
    """The model, in evaluation mode and on the CPU."""
    recipe: Recipe
    mapped: int
    """The number of tensors that were imported."""
    left_out: tuple[str, ...]
    """The names of the source's tensors that no label depends on."""
    notes: tuple[str, ...]
    """Statements for the user of what had to be assumed or was changed."""


def import_checkpoint(
    path: str | Path,
    source: str,
    *,
    label_space: LabelSpace | None = None,
    leave_out: Sequence[str] = (),
    **options: Any,
) -> Imported:
    """Import a model from a file.

    See :func:`import_tensors`, and :func:`.checkpoint.read_checkpoint` for the files that can be read.

    Raises:
        ModelError: either of these functions raises it; the message names the file.
        SettingError: :func:`import_tensors` raises it.
    """
    tensors, stated = read_checkpoint(path)
    try:
        return import_tensors(tensors, source, label_space=label_space, leave_out=leave_out, stated=stated, **options)
    except SettingError as error:
        raise SettingError(f"{path}: {error.text}", argument=error.argument) from None
    except ModelError as error:
        raise ModelError(f"{path}: {error}") from None


def import_tensors(
    tensors: Mapping[str, Tensor],
    source: str,
    *,
    label_space: LabelSpace | None = None,
    leave_out: Sequence[str] = (),
    stated: StatedOptions | None = None,
    **options: Any,
) -> Imported:
    """Import a model from a state dict of torchvision or segmentation_models_pytorch.

    Classes and channels are read from the tensors. A network that scores one class, for a sigmoid, becomes a model of
    two classes with the same probabilities: the score of the first class is always 0. Networks with several sigmoids
    cannot be imported, because a pixel would have several classes.

    Args:
        tensors: name -> tensor, as ``state_dict()`` gives them.
        source: the network that they belong to, such as ``"fcn_resnet50"`` or ``"smp-unet-resnet34"``.
        label_space: the classes; by default they are numbered.
        leave_out: beginnings of the names of tensors that are not needed, such as those of a loss.
        stated: the options of the network that files state.
        **options: options of the model here, if the network was not built with its library's defaults; also ``resize``
            of a network that resizes pictures itself: ``[shorter, longer]`` in pixels, or ``"none"``; and
            ``activation`` of a network of segmentation_models_pytorch: ``"none"``, ``"softmax"`` or ``"sigmoid"``.

    Raises:
        ModelError: there is no such source, a tensor has no place, is missing or has another shape, or the network has
            several sigmoids.
        SettingError: the label space has another number of classes, or the model does not have an option.
    """
    recipe = find_recipe(source, tensors)
    stated = stated or StatedOptions()
    if recipe.architecture:
        options = {**options_of(stated, recipe.architecture, recipe.encoder), **options}
    left_out = [name for name in tensors if name.startswith((*recipe.useless, *leave_out))]
    kept = {name: name for name in tensors if name not in left_out}
    places = recipe.rename(kept)  # our name -> theirs, because renaming does not change values
    notes = []
    assumed = {key: value for key, value in recipe.assumed.items() if key not in options}
    resize = recipe.resize
    if resize is not None and "resize" in options:
        resize = _parse_resize(options.pop("resize"))
    elif resize is not None:
        assumed["resize"] = [resize.shorter, resize.longer]
    if assumed:
        defaults = " and ".join(f"{key}={value}" for key, value in assumed.items())
        notes.append(f"{defaults}, as {recipe.library} has it by default: tensors do not tell")

    renamed = {ours: tensors[theirs] for ours, theirs in places.items()}
    classes = len(renamed.get(f"{recipe.heads[0]}.weight", (0, 0)))
    if recipe.architecture and not take_activation(options, stated, classes) and classes > 1:
        notes.append(
            "a pixel is of the class of its largest score; where each class went through a sigmoid of its own, give "
            "the option activation=sigmoid"
        )
    if recipe.background:
        classes -= recipe.background
    elif classes == 1:
        renamed, classes = _score_nothing_too(renamed, recipe.heads), 2
        notes.append("it scores one class: the model has two, and the first one, nothing, always scores 0")
    if label_space is not None and len(label_space) != classes:
        named = counted(len(label_space), "class", "is")
        raise SettingError(f"{named} named, but this network has {classes}; name these")

    model = _build(recipe, renamed, label_space or LabelSpace.of(max(1, classes)), resize, options)
    wanted = model.network.state_dict()
    counters = {name: value for name, value in wanted.items() if name.endswith(BATCH_COUNTER) and name not in renamed}
    if counters:
        notes.append(
            f"{counted(len(counters), 'batch norm', 'comes')} without the count {BATCH_COUNTER[1:]}, which begins at 0"
        )
    astray = [theirs for ours, theirs in places.items() if ours not in wanted]
    astray += sorted(kept.keys() - set(places.values()))
    otherwise = explain_by_names(recipe, {name: tensors[name] for name in kept})
    _check_fit(source, renamed | counters, wanted, astray, otherwise)
    model.network.load_state_dict(renamed | counters)
    if recipe.architecture and isinstance(model, SegmentationModel):
        notes += take_sizes_as_smp(model, recipe.architecture)
    return Imported(model.eval(), recipe, len(renamed), tuple(left_out), tuple(notes))


def _score_nothing_too(renamed: Mapping[str, Tensor], heads: Sequence[str]) -> dict[str, Tensor]:
    """Add a score of 0 before the only score: softmax of (0, x) is (1 - sigmoid(x), sigmoid(x))."""
    changed = dict(renamed)
    for name in (f"{head}.{part}" for head in heads for part in ("weight", "bias")):
        if name in changed:
            changed[name] = torch.cat([torch.zeros_like(changed[name]), changed[name]])
    return changed


def _parse_resize(value: Any) -> Resize | None:
    """Read the option ``resize``; ``"none"`` gives None.

    Raises:
        SettingError: it is neither ``"none"`` nor two numbers.
    """
    if value is None or str(value).lower() == "none":
        return None
    if not isinstance(value, Sequence) or isinstance(value, str) or len(value) != 2:
        raise SettingError(
            f"resize is {value!r}; expected none, or the pixels of the shorter and, at most, of the longer side, "
            "such as [800, 1333]"
        )
    return Resize(*value)


def _build(
    recipe: Recipe,
    renamed: Mapping[str, Tensor],
    label_space: LabelSpace,
    resize: Resize | None,
    options: Mapping[str, Any],
) -> Model:
    """Build the model here; the weight of the first convolution gives the channels of its pictures."""

    def build(channels: int) -> Model:
        mean, std = recipe.normalisation
        if channels != len(mean):  # the rule for all pictures that are not RGB
            mean, std = (sum(mean) / len(mean),) * channels, (sum(std) / len(std),) * channels
        try:
            return build_model(
                recipe.model,
                classes=label_space,
                in_channels=channels,
                preprocessing=Preprocessing(mean, std, resize=resize),
                **{**recipe.options, **options},
            )
        except (TypeError, RuntimeError) as error:
            if not options:
                raise
            given = ", ".join(f"{key}={value!r}" for key, value in options.items())
            raise SettingError(f"model '{recipe.model}' cannot be built with {given} ({error})") from None

    model = build(3)
    stem = renamed.get(next(name for name, _ in model.network.named_parameters()))
    return model if stem is None or stem.ndim != 4 or stem.shape[1] == 3 else build(stem.shape[1])


def _check_fit(
    source: str,
    given: Mapping[str, Tensor],
    wanted: Mapping[str, Tensor],
    astray: Sequence[str],
    otherwise: str,
) -> None:
    """Check that every tensor has a place, and every place a tensor; the error begins with the likely reason."""
    missing = [name for name in wanted if name not in given]
    if otherwise and (astray or missing):
        raise ModelError(f"{otherwise}: {_count(astray or missing)} no counterpart in {source}")
    complaints = []
    if astray:
        complaints.append(
            f"{_count(astray)} no place in {source} as its library builds it by default (where no label depends on "
            "them, leave them out by the beginning of their names)"
        )
    if missing:
        complaints.append(f"{_count(missing)} to be there, by our names, but no tensor of the checkpoint fits")
    if complaints:
        mend = "Give the source that was trained"
        if all(name.startswith("encoder.") for name in (*astray, *missing)):
            mend = "Its encoder is another one: give the source that has it"
        elif all(name.startswith(("backbone.body.", "trunk.encoder.")) for name in (*astray, *missing)):
            mend = "Its trunk is another one: give the option encoder=NAME"
        raise ModelError(f"{'; '.join(complaints)}. {mend}")
    other = [name for name in wanted if wanted[name].shape != given[name].shape]
    if other:
        found, expected = tuple(given[other[0]].shape), tuple(wanted[other[0]].shape)
        mismatch = explain_by_shapes(other, given, wanted)
        why = f". What was otherwise: {mismatch}" if mismatch else ""
        raise ModelError(
            f"{_count(other)} another shape than in {source}: the first is {found} and should be {expected}{why}"
        )


def _count(names: Sequence[str]) -> str:
    listed = ", ".join(names[:MOST_LISTED_TENSORS]) + (", ..." if len(names) > MOST_LISTED_TENSORS else "")
    return f"{counted(len(names), 'tensor')} ({listed}) {agreeing(len(names), 'has')}"
