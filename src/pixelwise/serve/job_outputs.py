"""The results of a job as files: what is written for each output, and where it lies afterwards."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path, PurePath

from pixelwise.errors import SettingError, unknown_name
from pixelwise.inference.labelling.jobs import Job, Options
from pixelwise.inference.labelling.label import label_one
from pixelwise.inference.labelling.outputs import JOB_FILES, PICTURE_ENDINGS, RASTER_LABELS_ENDING, FolderSink
from pixelwise.inference.predictor import Predictor
from pixelwise.io.atomic import write_json
from pixelwise.io.shapes.records import PictureRecord
from pixelwise.listener import Listener
from pixelwise.serve.outputs import MEDIA_TYPES, kinds_of, write_list
from pixelwise.serve.summary import summarise

_STEM = "result"
_SUMMARY_FILE = f"{_STEM}.json"
_RASTER_TYPE = "image/tiff"


def parse_outputs(text: str) -> tuple[str, ...]:
    """Read the outputs that a job is to give, with commas between them.

    Raises:
        SettingError: there are none, or one that does not exist.
    """
    words = tuple(dict.fromkeys(word.strip() for word in text.split(",") if word.strip()))
    if not words:
        raise SettingError(f"it names nothing; give some of {', '.join(MEDIA_TYPES)}", argument="output")
    for word in words:
        if word not in MEDIA_TYPES:
            raise SettingError(unknown_name("output", word, MEDIA_TYPES), argument="output")
    return words


def write_results(
    predictor: Predictor, picture: Path, folder: Path, outputs: Sequence[str], *, name: str, listener: Listener
) -> None:
    """Label a picture of any size and write the outputs that are wanted.

    Raises:
        PixelwiseError: the picture cannot be read, or an output cannot be written.
    """
    kinds = Options(kinds_of(outputs), resume=True)
    job = Job(picture, PurePath(_STEM))
    outcome = label_one(predictor, job, kinds, FolderSink(folder / _STEM), listener=listener)
    for output in outputs:
        if output in JOB_FILES:
            write_list(outcome, output, PictureRecord(name, *outcome.size), folder / JOB_FILES[output])
        elif output == "summary":
            write_json(folder / _SUMMARY_FILE, summarise(outcome))


def result_file(folder: Path, output: str) -> tuple[Path, str]:
    """Find the file of an output, and the type of its contents."""
    if output == "summary":
        return folder / _SUMMARY_FILE, MEDIA_TYPES[output]
    if output in JOB_FILES:
        return folder / JOB_FILES[output], MEDIA_TYPES[output]
    sink = FolderSink(folder / _STEM)
    raster = sink.path(RASTER_LABELS_ENDING)
    if output == "labels" and raster.exists():
        return raster, _RASTER_TYPE
    return sink.path(PICTURE_ENDINGS[output]), MEDIA_TYPES[output]
