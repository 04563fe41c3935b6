"""Opening the runtime of exported files."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from pixelwise.errors import ModelError, SettingError
from pixelwise.inference.runtimes.averaging import AveragingRuntime
from pixelwise.inference.runtimes.base import ObjectRuntime, Runtime
from pixelwise.inference.runtimes.catalogue import EXPORTED_SUFFIXES, OPENVINO_SUFFIX
from pixelwise.inference.runtimes.exported.description import ExportDescription, described_kind, parse_description
from pixelwise.inference.runtimes.exported.engine_choice import Choice, choose_engine
from pixelwise.inference.runtimes.exported.engines import Engine, engines_for
from pixelwise.inference.runtimes.exported.ensemble_description import member_prefix, parse_ensemble
from pixelwise.inference.runtimes.exported.file import ExportedFile
from pixelwise.inference.runtimes.exported.object_description import parse_object_description
from pixelwise.inference.runtimes.exported.objects import ExportedObjectRuntime
from pixelwise.inference.runtimes.exported.pixels import ExportedRuntime
from pixelwise.inference.runtimes.views import View, check_alone

if TYPE_CHECKING:
    from pixelwise.models import Model

TRIED_BYTES, MOST_TRIED_SIDE, MOST_TRIED_OBJECT_SIDE = 2.0**30, 1024, 512
"""The memory of the tile that engines are tried with, as the predictor allows by default, and its largest side."""


def open_exported(
    models: Sequence[Model | str | Path], views: Sequence[View], *, device: str, precision: str, runtime: str
) -> Runtime | ObjectRuntime:
    """Make the runtime of an exported file, or of several that are averaged.

    Args:
        models: exported files.
        views: the views of the picture that each computes.
        device: ``"auto"`` or ``"cpu"``.
        precision: ``"auto"``, ``"float32"`` or ``"bfloat16"``.
        runtime: ``"onnx"``, ``"openvino"``, or ``"auto"`` for whichever computes a tile fastest on this machine with
            the first file. Objects are found in float32 unless bfloat16 is asked for.

    Raises:
        ModelError: a file is no exported file, or several do not agree.
        SettingError: a model that is not exported, another device or another precision, or views of a network that
            finds objects.
        UnsupportedError: no library that runs exported files is installed, or not the one that is asked for.
    """
    if device not in ("auto", "cpu"):
        raise SettingError(f"exported files run on the CPU, got '{device}'; leave it out", argument="device")
    paths = [_exported(model, runtime) for model in models]
    of_openvino = [path for path in paths if path.suffix == OPENVINO_SUFFIX]
    if of_openvino and runtime == "onnx":
        raise SettingError(
            f"{of_openvino[0]}: is a file of OpenVINO, which no other library runs; leave the runtime out",
            argument="runtime",
        )
    engines = engines_for("openvino" if of_openvino else runtime, precision)
    files = [ExportedFile.read(path, engines[0]) for path in paths]
    finding = [file for file in files if described_kind(file.text) == "objects"]
    if finding:
        check_alone(len(files), views)
        exact = [engine for engine in engines if engine.precision == "float32"] or engines
        choice = _choose_for_objects(finding[0], exact)
        found = ExportedObjectRuntime(replace(finding[0], engine=choice.engine))
        found.note = str(choice) if len(exact) > 1 else ""
        return found
    choice = _choose(files[0], engines)
    members = [member for file in files for member in _members(replace(file, engine=choice.engine))]
    if len(engines) > 1:
        members[0].note = str(choice)
    averaged = len(members) > 1 or not all(view.plain for view in views)
    return AveragingRuntime(members, views) if averaged else members[0]


def _choose(file: ExportedFile, engines: Sequence[Engine]) -> Choice:
    """Choose the engine that labels a tile fastest with a file, if there are several."""
    described = [one for one, _ in _described(file)]
    period = max(one.card.geometry.period for one in described)
    largest = max(one.bytes_per_pixel for one in described)
    side = min(MOST_TRIED_SIDE, int(math.sqrt(TRIED_BYTES / largest))) // period * period or period
    image = np.random.default_rng(0).integers(0, 256, (described[0].card.preprocessing.channels, side, side), np.uint8)

    def prepare(engine: Engine) -> Callable[[], object]:
        members = _members(replace(file, engine=engine))
        return lambda: [member.coarse(image) for member in members]

    return choose_engine(engines, file.digest, side, prepare)


def _choose_for_objects(file: ExportedFile, engines: Sequence[Engine]) -> Choice:
    """Choose the engine that finds objects in a tile fastest with a file, if there are several."""
    try:
        described = parse_object_description(file.text)
    except ModelError as error:
        raise ModelError(f"{file.path}: {error}") from error.__cause__
    side = max(1, min(MOST_TRIED_OBJECT_SIDE, int(math.sqrt(TRIED_BYTES / described.bytes_per_pixel))))
    shape = (described.card.preprocessing.channels, side, side)
    image = np.random.default_rng(0).integers(0, 256, shape, np.uint8)

    def prepare(engine: Engine) -> Callable[[], object]:
        opened = ExportedObjectRuntime(replace(file, engine=engine))
        return lambda: opened.objects(image)

    return choose_engine(engines, file.digest, side, prepare)


def _members(file: ExportedFile) -> list[ExportedRuntime]:
    """Open the networks in a file that label pixels: one, or several that are averaged."""
    return [ExportedRuntime(file, description, prefix) for description, prefix in _described(file)]


def _described(file: ExportedFile) -> list[tuple[ExportDescription, str]]:
    """Read the descriptions of the networks in a file, one or several, and what the names of their tensors begin with.

    Raises:
        ModelError: a description makes no sense.
    """
    try:
        if described_kind(file.text) != "ensemble":
            return [(parse_description(file.text), "")]
        members = parse_ensemble(file.text).members
    except ModelError as error:
        raise ModelError(f"{file.path}: {error}") from error.__cause__
    return [(member, member_prefix(index)) for index, member in enumerate(members)]


def _exported(model: Model | str | Path, runtime: str) -> Path:
    """Give the path of an exported file.

    Raises:
        ModelError: there is no such file.
        SettingError: it is another kind of model.
    """
    if not isinstance(model, str | Path) or Path(model).suffix not in EXPORTED_SUFFIXES:
        what = model if isinstance(model, str | Path) else "a model in memory"
        raise SettingError(
            f"{what}: the runtime {'onnx' if runtime == 'auto' else runtime} takes files that were exported "
            f"({' or '.join(EXPORTED_SUFFIXES)}); write one with export, or leave the runtime out",
            argument="runtime",
        )
    if not Path(model).is_file():
        raise ModelError(f"{model}: there is no such exported file")
    return Path(model)
