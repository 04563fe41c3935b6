"""Writing a model as one file for other libraries."""

from __future__ import annotations

import importlib.util
import os
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pixelwise.errors import ModelError, SettingError, UnsupportedError
from pixelwise.export.graph import build_graph, describe_in
from pixelwise.export.object_graph import build_object_graph
from pixelwise.export.object_parity import ObjectParity, compare_objects
from pixelwise.export.parity import Parity, compare
from pixelwise.export.pictures import CheckPictures, checked_object_sizes, checked_sizes, find_pictures
from pixelwise.inference.runtimes.catalogue import EXPORTED_SUFFIX
from pixelwise.io.atomic import atomic_path
from pixelwise.io.outputs import check_file
from pixelwise.listener import Listener, Silent
from pixelwise.models import DetectionModel, Model, SegmentationModel, load_model


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
    pictures: str | os.PathLike[str] | None = None,
    listener: Listener | None = None,
) -> Exported:
    """Write a model as one ONNX file for pictures of any size, and check it.

    The file is compared with the model at several sizes before it gets its name; a file that gives other labels or
    objects is not written.

    Args:
        models: a model, a model file or a run folder.
        out: the file to write, .onnx.
        pictures: a folder of pictures to check with; by default the validation pictures of the run, or generated ones
            if they are not there.
        listener: told what is being done.

    Raises:
        UnsupportedError: the packages of the extra ``export`` are missing, several models are given, or its network
            has no form in ONNX.
        ModelError: the file does not give the labels or the objects of the model.
        SettingError: the file cannot be written there.
        DataError: there are no such pictures.
    """
    listener = Silent() if listener is None else listener
    out = Path(out)
    check_file(out, "out")
    if out.suffix != EXPORTED_SUFFIX:
        raise SettingError(f"{out}: exported files end in {EXPORTED_SUFFIX}; name it so", argument="out")
    for package in ("onnx", "onnxruntime"):
        if importlib.util.find_spec(package) is None:
            raise UnsupportedError(
                f"export needs the package {package}; install it with: pip install 'pixelwise[export]'"
            )
    given = [models] if isinstance(models, Model | str | Path) else list(models)
    if len(given) != 1:
        raise UnsupportedError("averages of several models cannot be exported yet; export one of them")
    model, path = _opened(given[0])
    folder = None if pictures is None else Path(pictures)
    checks = find_pictures(folder, path, model.preprocessing, to_scale=isinstance(model, DetectionModel))
    listener.say("exporting the network")
    graph, description = build_graph(model) if isinstance(model, SegmentationModel) else build_object_graph(model)
    with atomic_path(out) as beside:
        describe_in(graph, description)
        beside.write_bytes(graph.SerializeToString())
        listener.say(f"comparing the file with the model on pictures: {checks.source}")
        parity = _compare(model, beside, out, checks)
        describe_in(graph, replace(description, parity=parity.to_dict()))
        beside.write_bytes(graph.SerializeToString())
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
    if path.suffix == EXPORTED_SUFFIX:
        raise ModelError(f"{path}: is exported already; give a run folder or a .safetensors file")
    return load_model(path), path


def _compare(model: Model, beside: Path, out: Path, checks: CheckPictures) -> Parity | ObjectParity:
    """Compare a file with its model before it gets its name.

    Raises:
        ModelError: it does not give the model's labels or objects, or cannot be run.
    """
    parity: Parity | ObjectParity
    try:
        if isinstance(model, SegmentationModel):
            parity = compare(model, beside, checks, checked_sizes(model.geometry))
        else:
            parity = compare_objects(model, beside, checks, checked_object_sizes(model.geometry))
    except ModelError as error:
        raise ModelError(str(error).replace(str(beside), str(out))) from error
    parity.check(out)
    return parity
