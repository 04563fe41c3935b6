"""The files that a graph can be written to."""

from __future__ import annotations

import hashlib
import importlib.util
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from pixelwise.errors import SettingError, UnsupportedError, unknown_name
from pixelwise.export.graph import AnyDescription, describe_in
from pixelwise.inference.runtimes.catalogue import ONNX_SUFFIX, OPENVINO_SUFFIX
from pixelwise.inference.runtimes.exported.engines import EngineName
from pixelwise.inference.runtimes.exported.openvino_ir import DESCRIPTION, WEIGHTS_DIGEST, WEIGHTS_SUFFIX
from pixelwise.io.atomic import atomic_path

if TYPE_CHECKING:
    import onnx
    import openvino


@dataclass(frozen=True)
class FileFormat:
    """A kind of file.

    Args:
        suffix: its suffix.
        library: the library that runs it when it is checked.
        packages: the packages that writing and checking it need.
        install: what brings them, as pip takes it.
        write: writes a graph with its description.
    """

    suffix: str
    library: EngineName
    packages: tuple[str, ...]
    install: str
    write: Callable[[onnx.ModelProto, AnyDescription, Path], None]


def _write_onnx(graph: onnx.ModelProto, description: AnyDescription, file: Path) -> None:
    describe_in(graph, description)
    file.write_bytes(graph.SerializeToString())


def _write_openvino(graph: onnx.ModelProto, description: AnyDescription, file: Path) -> None:
    import openvino

    write_ir(openvino.Core().read_model(graph.SerializeToString()), description, file)


def write_ir(model: openvino.Model, description: AnyDescription, file: Path) -> None:
    """Write a graph of OpenVINO with its description: an .xml, and its weights as a .bin beside it.

    The .xml holds the digest of the weights, so that those of another model are refused.
    """
    import openvino

    model.set_rt_info(description.to_text(), list(DESCRIPTION))
    openvino.save_model(model, file, compress_to_fp16=False)
    digest = hashlib.sha256(file.with_suffix(WEIGHTS_SUFFIX).read_bytes()).hexdigest()
    model.set_rt_info(digest, list(WEIGHTS_DIGEST))
    openvino.save_model(model, file, compress_to_fp16=False)


FORMATS: dict[str, FileFormat] = {
    "onnx": FileFormat(ONNX_SUFFIX, "onnx", ("onnx", "onnxruntime"), "'pixelwise[export]'", _write_onnx),
    "openvino": FileFormat(
        OPENVINO_SUFFIX, "openvino", ("onnx", "openvino"), "'pixelwise[export,openvino]'", _write_openvino
    ),
}
"""Name -> kind of file."""


def format_of(out: Path, name: str | None) -> FileFormat:
    """Choose the kind of file by its name, or by its suffix.

    Raises:
        SettingError: there is no such kind, or the suffix is that of another.
    """
    if name is not None and name not in FORMATS:
        raise SettingError(unknown_name("format", name, tuple(FORMATS)), argument="format")
    fitting = [kind for kind in (FORMATS.values() if name is None else [FORMATS[name]]) if kind.suffix == out.suffix]
    if not fitting:
        suffixes = " or ".join(f"{kind.suffix} ({key})" for key, kind in FORMATS.items() if name in (None, key))
        raise SettingError(f"{out}: exported files end in {suffixes}; name it so", argument="out")
    return fitting[0]


def check_packages(packages: tuple[str, ...], install: str) -> None:
    """Make sure that packages are installed.

    Raises:
        UnsupportedError: one is not; the message says what brings it.
    """
    for package in packages:
        if importlib.util.find_spec(package) is None:
            raise UnsupportedError(f"export needs the package {package}; install it with: pip install {install}")


@contextmanager
def beside(out: Path) -> Iterator[Path]:
    """Give a path to write to that becomes ``out`` when the block ends well; of a file of OpenVINO, its weights too.

    The weights get their name first, so that a .xml never lacks its own.

    Raises:
        PixelwiseError: a file cannot be written.
    """
    with atomic_path(out) as file:
        if out.suffix != OPENVINO_SUFFIX:
            yield file
            return
        weights = file.with_suffix(WEIGHTS_SUFFIX)
        with atomic_path(out.with_suffix(WEIGHTS_SUFFIX), beside_name=weights.name):
            yield file
