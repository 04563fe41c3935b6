"""Writing a model as a file of OpenVINO that computes in 8-bit integers, if that loses little and is faster.

What it loses is measured on pictures with truth, with the file itself; layers that lose most are left in floats until
the loss is small enough.
"""

from __future__ import annotations

import os
import tempfile
import time
from collections.abc import Collection, Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pixelwise.data.doctor.diagnosis import diagnose
from pixelwise.data.pairs import Pair
from pixelwise.errors import ModelError, SettingError
from pixelwise.export import export_model
from pixelwise.export.file_formats import beside, check_packages, format_of, write_ir
from pixelwise.export.graph import AnyDescription
from pixelwise.inference.pictures import decode_picture
from pixelwise.inference.predictor import Predictor
from pixelwise.inference.runtimes.exported.description import parse_description
from pixelwise.inference.runtimes.exported.engines import engines_for
from pixelwise.inference.runtimes.exported.file import IMAGE, batch
from pixelwise.inference.runtimes.exported.object_description import parse_object_description
from pixelwise.inference.runtimes.exported.objects import BOXES
from pixelwise.inference.runtimes.exported.openvino_ir import cut_model, read_ir
from pixelwise.inference.runtimes.exported.pixels import COARSE
from pixelwise.io.outputs import check_file
from pixelwise.listener import Listener, Silent
from pixelwise.quantising.integer_graph import LAYERS, Picture, integer_layers, rank_by_loss, to_integers
from pixelwise.runs.evaluate import choose_pairs
from pixelwise.scoring import judge_for, judge_pictures
from pixelwise.training.run_folder import saved_split
from pixelwise.words import counted

if TYPE_CHECKING:
    import openvino

    from pixelwise.scoring.tables import Figure

ItemT = TypeVar("ItemT")

CALIBRATION_PICTURES, RANKING_PICTURES = 100, 4
"""The most pictures that ranges are measured on, and that layers are ranked with."""

MOST_SIDE = 768
"""The largest side in pixels of what is calibrated with; larger pictures are cut in their middle."""

MOST_FLOATING = 0.5
"""The largest share of the layers that stay in floats."""

TIMES = 5
"""How often a picture is computed for its time; the fastest counts."""


@dataclass(frozen=True)
class LayerCounts:
    """The layers of a network.

    Args:
        integer: those that compute in integers.
        floating: those left in floats because they lose most.
    """

    integer: int
    floating: int


@dataclass(frozen=True)
class Quantised:
    """A file that was written.

    Args:
        path: the file.
        figure: the name of the figure that the loss is measured by: mIoU, or AP.
        before: the figure with floats.
        after: the figure with integers.
        layers: the layers.
        milliseconds: how it computes -> the time for one picture: ``float32``, ``int8``, and both in bfloat16 where the
            processor has it.
        calibrated: which pictures the ranges were measured on, in words.
        scored: which pictures were scored, in words.
    """

    path: Path
    figure: str
    before: float
    after: float
    layers: LayerCounts
    milliseconds: dict[str, float]
    calibrated: str
    scored: str

    @property
    def drop(self) -> float:
        """What the integers lose, in points (hundredths)."""
        return 100 * (self.before - self.after)

    @property
    def fastest(self) -> float:
        """The milliseconds of the faster way to compute in integers."""
        return min(taken for way, taken in self.milliseconds.items() if way.startswith("int8"))

    def to_dict(self) -> dict[str, Any]:
        """Describe it in plain JSON types, for the file."""
        return {name: value for name, value in asdict(self).items() if name != "path"}


def quantise_model(
    model: str | Path,
    out: str | os.PathLike[str],
    data: str | os.PathLike[str],
    *,
    max_drop: float = 1.0,
    pictures: str | os.PathLike[str] | None = None,
    listener: Listener | None = None,
) -> Quantised:
    """Write a model as a file of OpenVINO that computes in 8-bit integers.

    Args:
        model: a run folder or a model file.
        out: the file to write, .xml; its weights are written beside it as .bin.
        data: pictures with truth. Scored are those that the run kept for validation; if the model did not learn from
            these data, those of their split ``val``, or all. The ranges of the integers are measured on others.
        max_drop: the most that may be lost, in points of mIoU or AP, above 0.
        pictures: as for :func:`pixelwise.export.export_model`, which checks the file with floats first.
        listener: told what is being done.

    Raises:
        UnsupportedError: a package is missing, or the network cannot be exported.
        ModelError: the loss is larger, or integers are not faster here; no file is written then.
        SettingError: the file cannot be written there, or ``max_drop`` is not positive.
        DataError: the data cannot be used.
    """
    listener = Silent() if listener is None else listener
    out = Path(out)
    check_file(out, "out")
    kind = format_of(out, "openvino")
    if not max_drop > 0:
        raise SettingError(f"must be above 0 points, got {max_drop:g}", argument="max_drop")
    check_packages((*kind.packages, "nncf"), "'pixelwise[int8]'")
    with tempfile.TemporaryDirectory(prefix=f".{out.stem[:50]}.", dir=out.absolute().parent) as folder:
        floats = Path(folder) / f"floats{out.suffix}"
        export_model(model, floats, pictures=pictures, listener=listener)
        trial = _Trial(Path(model), floats, Path(folder) / f"integers{out.suffix}", Path(data), listener)
        graph, measured = trial.search(max_drop)
        measured = replace(measured, path=out)
        if measured.fastest >= measured.milliseconds["float32"]:
            raise ModelError(
                f"{out}: was not written, because integers are not faster here: {measured.fastest:.0f} ms a picture "
                f"against {measured.milliseconds['float32']:.0f} ms in float32; keep to float32"
            )
        with beside(out) as file:
            write_ir(graph, trial.describe(measured.to_dict()), file)
    return measured


class _Trial:
    """Files with integers that are tried on data.

    Args:
        model: the model.
        floats: its file with floats.
        file: where the files that are tried may be written.
        data: the data.
        listener: told what is being done.
    """

    def __init__(self, model: Path, floats: Path, file: Path, data: Path, listener: Listener) -> None:
        self._file, self._listener = file, listener
        self._read = read_ir(floats)
        self._graph = self._read.cut([IMAGE], self._read.outputs)
        predictor = self._open(floats)
        self._finds_objects = BOXES in self._read.outputs
        source = diagnose(data, label_space=predictor.label_space, listener=listener).usable_source(training=False)
        self._label_space = source.label_space
        kept = saved_split(model, source.root) is not None
        self._scored, self._scored_words = choose_pairs(
            model, source, None if kept or "val" not in source.splits else "val"
        )
        scored = {pair.id for pair in self._scored}
        others = [pair for pair in {pair.id: pair for pair in source.pairs}.values() if pair.id not in scored]
        chosen = _spread(others or self._scored, CALIBRATION_PICTURES)
        self._calibrated = f"{counted(len(chosen), 'picture')} of {source.root}"
        if not others:
            listener.warn("all pictures are scored, so the ranges of the integers are measured on some of these too")
        self._pictures = [_as_input(pair, predictor) for pair in chosen]
        self._before = self._score(floats, "scoring with floats")

    def search(self, max_drop: float) -> tuple[openvino.Model, Quantised]:
        """Find the graph with the most layers in integers that loses at most ``max_drop`` points.

        Raises:
            ModelError: there is none with half of the layers in integers.
        """
        tried = []
        whole = self._to_integers(())
        for floating in chain([()], self._more_floats(whole)):
            graph = self._to_integers(floating) if floating else whole
            after = self._measure(graph, floating)
            drop = 100 * (self._before.value - after.value)
            layers = LayerCounts(len(integer_layers(graph)), len(floating))
            kept = f", {counted(len(floating), 'layer')} in floats" if floating else ""
            tried.append(f"{drop:.2f}{kept}")
            self._listener.say(f"{after.name} {after.value:.4f} with integers{kept}: {drop:.2f} points lost")
            if drop <= max_drop:
                measured = Quantised(
                    self._file, after.name, float(self._before.value), float(after.value), layers,
                    self._milliseconds(graph), self._calibrated, self._scored_words,
                )  # fmt: skip
                return graph, measured
        raise ModelError(
            f"no file was written, because integers lose more than {max_drop:g} points of {self._before.name}: "
            f"{'; '.join(tried)}; keep to floats, or allow more"
        )

    def describe(self, measured: dict[str, Any]) -> AnyDescription:
        """Give the description of the file with floats, and beside its check what was measured with integers."""
        read = parse_object_description if self._finds_objects else parse_description
        described: AnyDescription = read(self._read.description)
        return replace(described, parity={**described.parity, "int8": measured})

    def _more_floats(self, whole: openvino.Model) -> Iterator[Collection[str]]:
        """Sets of layers to leave in floats, each larger than the one before, from the graph with all in integers."""
        layers = [node for node in self._graph.get_ordered_ops() if node.get_type_name() in LAYERS]
        if self._finds_objects:  # their number depends on the picture, so there is no output to rank layers by
            yield [node.get_friendly_name() for node in layers if node.get_type_name() == "MatMul"]
            return
        with self._listener.progress("ranking layers", len(integer_layers(whole))) as progress:
            ranked = rank_by_loss(whole, COARSE, _spread(self._pictures, RANKING_PICTURES), progress)
        number = 1
        while number <= MOST_FLOATING * len(ranked):
            yield ranked[:number]
            number *= 2

    def _to_integers(self, floating: Collection[str]) -> openvino.Model:
        with self._listener.progress("measuring ranges", len(self._pictures)) as progress:
            return to_integers(self._graph, self._pictures, floating=floating, progress=progress)

    def _measure(self, graph: openvino.Model, floating: Collection[str]) -> Figure:
        write_ir(graph, self.describe({}), self._file)
        kept = f" ({counted(len(floating), 'layer')} in floats)" if floating else ""
        return self._score(self._file, f"scoring with integers{kept}")

    def _score(self, file: Path, doing: str) -> Figure:
        judge = judge_for(self._open(file), self._scored, self._label_space)
        with self._listener.progress(doing, len(self._scored)) as progress:
            return judge_pictures(judge, self._scored, progress=progress).evaluation().headline

    @staticmethod
    def _open(file: Path) -> Predictor:
        return Predictor(file, runtime="openvino", precision="float32")

    def _milliseconds(self, graph: openvino.Model) -> dict[str, float]:
        """Time both graphs, up to what pixelwise reads, on one picture in every precision that the processor has."""
        outputs = self._read.outputs if self._finds_objects else [COARSE]
        picture, taken = self._pictures[0], {}
        for way, whole in (("float32", self._graph), ("int8", graph)):
            for engine in engines_for("openvino", "auto"):
                session = engine.open(cut_model(whole.clone(), [IMAGE], outputs))
                session({IMAGE: picture})
                seconds = []
                for _ in range(TIMES):
                    started = time.perf_counter()
                    session({IMAGE: picture})
                    seconds.append(time.perf_counter() - started)
                short = engine.precision == "bfloat16"
                name = f"{way} with bfloat16" if short and way == "int8" else engine.precision if short else way
                taken[name] = 1000 * min(seconds)
        return taken


def _as_input(pair: Pair, predictor: Predictor) -> Picture:
    """Read a picture as the graph takes it, the middle of it if it is large."""
    image = decode_picture(pair.image, predictor.preprocessing).image  # (C, H, W)
    first = [max(0, (side - MOST_SIDE) // 2) for side in image.shape[1:]]
    return batch(np.ascontiguousarray(image[:, first[0] :, first[1] :][:, :MOST_SIDE, :MOST_SIDE]))


def _spread(items: Sequence[ItemT], most: int) -> list[ItemT]:
    """Choose items at equal distances."""
    places = np.linspace(0, len(items) - 1, min(most, len(items))).round().astype(int)
    return [items[place] for place in places]
