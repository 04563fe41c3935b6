"""Writing a model as one file for other libraries."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.errors import ModelError, SettingError
from pixelwise.export.ensemble_graph import build_ensemble_graph
from pixelwise.export.file_formats import FileFormat, beside, check_packages, format_of
from pixelwise.export.graph import AnyDescription, build_graph
from pixelwise.export.object_graph import build_object_graph
from pixelwise.export.object_parity import ObjectParity, compare_objects
from pixelwise.export.parity import Parity, compare
from pixelwise.export.pictures import CheckPictures, find_pictures
from pixelwise.inference.runtimes.catalogue import EXPORTED_SUFFIXES
from pixelwise.inference.runtimes.exported.engines import EngineName
from pixelwise.inference.runtimes.views import check_alone
from pixelwise.io.outputs import check_file
from pixelwise.listener import Listener, Silent
from pixelwise.models import DetectionModel, Model, SegmentationModel, load_model

if TYPE_CHECKING:
    import onnx


@dataclass(frozen=True)
class Exported:
    """A file that was written.

    Args:
        path: the file.
        parity: how it compares with the model.
    """

    path: Path
    parity: Parity | ObjectParity


def export_model(
    models: Model | str | Path | Sequence[Model | str | Path],
    out: str | os.PathLike[str],
    *,
    format: str | None = None,
    pictures: str | os.PathLike[str] | None = None,
    listener: Listener | None = None,
) -> Exported:
    """Write a model as one file for pictures of any size, and check it.

    The file is compared with the model at several sizes before it gets its name; a file that gives other labels or
    objects is not written.

    Args:
        models: a model, a model file or a run folder; or several that label pixels, whose probabilities the file
            averages.
        out: the file to write: .onnx, or .xml for OpenVINO, whose weights are written beside it as .bin.
        format: ``"onnx"`` or ``"openvino"``; by default as the suffix says.
        pictures: a folder of pictures to check with; by default the validation pictures of the run, or generated ones
            if they are not there.
        listener: told what is being done.

    Raises:
        UnsupportedError: the packages of the extra ``export`` or ``openvino`` are missing, or a network has no form in
            ONNX.
        ModelError: the file does not give the labels or the objects of the model, or several models do not agree.
        SettingError: the file cannot be written there, or there is no model.
        DataError: there are no such pictures.
    """
    listener = Silent() if listener is None else listener
    out = Path(out)
    check_file(out, "out")
    kind = format_of(out, format)
    check_packages(kind.packages, kind.install)
    given = [models] if isinstance(models, Model | str | Path) else list(models)
    if not given:
        raise SettingError("there is no model to export; give at least one", argument="models")
    opened = [_opened(model) for model in given]
    listener.say("exporting the network" if len(opened) == 1 else f"exporting {len(opened)} networks")
    made = _build([model for model, _ in opened])
    first, path = opened[0]
    folder = None if pictures is None else Path(pictures)
    checks = find_pictures(folder, path, first.preprocessing, to_scale=isinstance(first, DetectionModel))
    with beside(out) as file:
        kind.write(made.graph, made.description, file)
        listener.say(f"comparing the file with the model on pictures: {checks.source}")
        parity = _compared(made, file, kind, out, checks)
        kind.write(made.graph, replace(made.description, parity=parity.to_dict()), file)
    if parity.void:
        listener.warn(f"{out}: the check shows nothing (parity: void), because {parity.shows_nothing_because}")
    return Exported(out, parity)


def _opened(given: Model | str | Path) -> tuple[Model, Path | None]:
    """Give a model, and where it comes from if it is a file.

    Raises:
        ModelError: the file is no model file, or an exported file.
    """
    if not isinstance(given, str | Path):
        return given, None
    path = Path(given)
    if path.suffix in EXPORTED_SUFFIXES:
        raise ModelError(f"{path}: is exported already; give a run folder or a .safetensors file")
    return load_model(path), path


@dataclass(frozen=True, eq=False)
class _Made:
    """A graph that is not written yet.

    Args:
        graph: the graph.
        description: what the file is to say of it.
        compare: compares a file with the models on pictures, by a library.
    """

    graph: onnx.ModelProto
    description: AnyDescription
    compare: Callable[[Path, EngineName, CheckPictures], Parity | ObjectParity]


def _build(models: Sequence[Model]) -> _Made:
    """Build the graph of a model, or of several that are averaged.

    Raises:
        ModelError: several models do not agree, or one of several finds objects.
        UnsupportedError: a network has no form in ONNX.
    """
    finding = [model for model in models if isinstance(model, DetectionModel)]
    if finding:
        check_alone(len(models), ())
        found, of_objects = build_object_graph(finding[0])
        return _Made(found, of_objects, partial(compare_objects, finding[0], found))
    labelling = [model for model in models if isinstance(model, SegmentationModel)]
    graph, description = build_graph(labelling[0]) if len(labelling) == 1 else build_ensemble_graph(labelling)
    return _Made(graph, description, partial(compare, labelling))


def _compared(made: _Made, file: Path, kind: FileFormat, out: Path, checks: CheckPictures) -> Parity | ObjectParity:
    """Compare a file with its model before it gets its name.

    Raises:
        ModelError: it does not give the model's labels or objects, or cannot be run.
    """
    try:
        parity = made.compare(file, kind.library, checks)
    except ModelError as error:
        raise ModelError(str(error).replace(str(file), str(out))) from error
    parity.check(out)
    return parity
