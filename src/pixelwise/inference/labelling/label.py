"""Labelling one picture of a job, in memory where it fits and otherwise from file to file."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pixelwise.errors import DataError, SettingError
from pixelwise.inference.labelling.jobs import Job, Options, is_raster
from pixelwise.inference.labelling.labelled import Labelled, LabelledInMemory, LabelledOnDisk
from pixelwise.inference.labelling.outputs import JOB_FILES, RASTER_LABELS_ENDING, Sink, write
from pixelwise.inference.pictures import decode_picture
from pixelwise.inference.prediction import Prediction
from pixelwise.inference.predictor import Predictor
from pixelwise.inference.raster import takes_up_little
from pixelwise.instances import Size
from pixelwise.io.images import DecodedPicture
from pixelwise.io.pictures.depth import Learnt
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.opening import open_source
from pixelwise.listener import Listener
from pixelwise.tiling import TilePlan
from pixelwise.words import counted

MOST_SCORED_PROBABILITIES = 2**29
"""The parts of classes have scores up to this many numbers (pixels times classes), because scores need all
probabilities."""

NOT_STREAMED = ("probabilities",)
"""The outputs that are not written for rasters: K numbers per pixel would take more room than all others."""


@dataclass(frozen=True, eq=False)
class Outcome:
    """The outcome for one picture.

    Args:
        job: the picture.
        labelled: its labels and objects.
        exact: whether these are what the network gives for the whole picture at once.
        seam_error: the error at the seams of tiles, where it was measured.
    """

    job: Job
    labelled: Labelled
    exact: bool
    seam_error: float | None

    @property
    def size(self) -> Size:
        """Height and width in pixels."""
        return self.labelled.size


def read_job(job: Job, predictor: Predictor) -> DecodedPicture | None:
    """Read the picture of a job as the network takes it; None for a raster, which is read by windows.

    Raises:
        DataError: the picture cannot be read.
    """
    if job.page is not None:
        return decode_picture(job.picture, predictor.preprocessing, page=job.page)
    return None if is_raster(job.picture) else decode_picture(job.picture, predictor.preprocessing)


def size_of(job: Job, decoded: DecodedPicture | None) -> Size:
    """Give the height and width of a picture of which :func:`read_job` made ``decoded``.

    Raises:
        DataError: the picture cannot be read.
    """
    if decoded is not None:
        return decoded.size
    with open_source(job.picture) as source:
        return source.size


def check_possible(predictor: Predictor, options: Options) -> None:
    """Make sure that the model gives the outputs that are wanted.

    Raises:
        SettingError: the model does not give one of them.
    """
    if not predictor.finds_objects:
        return
    if "probabilities" in options.kinds:
        raise SettingError(
            "this network finds objects and gives each a score, but no probabilities of pixels; a table holds the "
            "scores",
            argument="save",
        )
    if options.crf:
        raise SettingError(
            "probabilities of pixels are needed, which a network that finds objects does not give", argument="crf"
        )


def label_one(
    predictor: Predictor,
    job: Job,
    options: Options,
    sink: Sink,
    *,
    decoded: DecodedPicture | None = None,
    listener: Listener,
) -> Outcome:
    """Label a picture and write the outputs that are wanted.

    Args:
        predictor: the model.
        job: the picture.
        options: how it is labelled, and what is wanted.
        sink: where files go.
        decoded: the picture, if :func:`read_job` has read it already.
        listener: told how large pictures are computed, and how far that has come.

    Raises:
        DataError: the picture cannot be read, or something is wanted that is not written for rasters.
        PixelwiseError: a result cannot be written.
    """
    decoded = read_job(job, predictor) if decoded is None else decoded
    if decoded is None:
        outcome = _label_raster(predictor, job, options, sink, listener)
    else:
        outcome = label_decoded(predictor, job, options, decoded, listener)
    write(outcome.labelled, sink, options.kinds)
    return outcome


def label_decoded(
    predictor: Predictor,
    job: Job,
    options: Options,
    decoded: DecodedPicture,
    listener: Listener,
    *,
    georeference: Georeference | None = None,
) -> Outcome:
    """Label a picture that is in memory, and write nothing; ``georeference`` says where it lies on the Earth."""
    if decoded.narrow:
        listener.say(Learnt.of(predictor.preprocessing).describe_narrow(str(job.picture)))
    prediction = _predict(predictor, job, options, decoded, listener)
    return Outcome(job, LabelledInMemory(prediction, georeference), prediction.exact, prediction.seam_error)


def _predict(
    predictor: Predictor, job: Job, options: Options, decoded: DecodedPicture, listener: Listener
) -> Prediction:
    """Label a picture that is in memory, and report how it is computed if it needs tiles."""
    plan = predictor.plan(decoded.size)
    scored = options.crf or "probabilities" in options.kinds or _scores_parts(predictor, plan.size, options.kinds)
    if plan.whole:
        prediction = predictor(decoded, probabilities=scored)
    else:
        listener.say(f"{job.picture}: {describe_plan(plan)}")
        with listener.progress(f"tiles of {job.picture.name}", len(plan)) as progress:
            prediction = predictor(decoded, probabilities=scored, progress=progress)
        seams = describe_seams(prediction.exact, prediction.seam_error, objects=predictor.finds_objects)
        listener.say(f"{job.picture}: {seams}")
    if not options.crf:
        return prediction
    from pixelwise.inference.crf import refine_by_crf  # imported here, because it imports torch

    return refine_by_crf(prediction)


def _scores_parts(predictor: Predictor, size: Size, kinds: Sequence[str]) -> bool:
    """Whether probabilities are computed for the scores of the parts of classes."""
    if predictor.finds_objects or not any(kind in JOB_FILES for kind in kinds):
        return False
    return size[0] * size[1] * len(predictor.label_space) <= MOST_SCORED_PROBABILITIES


def _label_raster(predictor: Predictor, job: Job, options: Options, sink: Sink, listener: Listener) -> Outcome:
    """Label a raster from file to file."""
    refused = [kind for kind in options.kinds if kind in NOT_STREAMED]
    if refused:
        raise DataError(
            f"{job.picture}: {', '.join(refused)} cannot be written for a raster, only labels, overlay, geojson, coco "
            "and table; leave it out, or cut the raster into pictures without a georeference"
        )
    if options.crf:
        raise DataError(f"{job.picture}: the CRF needs the whole picture in memory; leave it out for rasters")
    with open_source(job.picture) as source:
        plan = predictor.plan(source.size)
        if takes_up_little(source, predictor.preprocessing):
            listener.say(Learnt.of(predictor.preprocessing).describe_narrow(str(job.picture)))
    if not plan.plain:
        listener.say(f"{job.picture}: {describe_plan(plan)}")
    labels: Path = sink.path(RASTER_LABELS_ENDING)
    with listener.progress(f"tiles of {job.picture.name}", len(plan)) as progress:
        result = predictor.raster(job.picture, labels, resume=options.resume, progress=progress)
    if not plan.whole:
        seams = describe_seams(result.exact, result.seam_error, objects=predictor.finds_objects)
        listener.say(f"{job.picture}: {seams}")
    labelled = LabelledOnDisk(
        job.picture,
        labels,
        result,
        label_space=predictor.label_space,
        preprocessing=predictor.preprocessing,
        rule=predictor.rule,
    )
    return Outcome(job, labelled, result.exact, result.seam_error)


def describe_plan(plan: TilePlan) -> str:
    """Say in one line how a picture is computed, at what cost and why."""
    height, width = plan.resized_from or plan.size
    size = f"{height}x{width} pixels (height x width)"
    if plan.resized_from is not None:
        size += f", resized to {plan.size[0]}x{plan.size[1]} as the network expects,"
    if plan.whole:
        return f"{size} at once, exact: {plan.reason}"
    kind = "exact" if plan.exact else "fast"
    tiles = f"{counted(len(plan), 'tile')} of {plan.tile[0]}x{plan.tile[1]}"
    return f"{size} in {tiles}, {kind}: {plan.reason}; {plan.cost:.2f} times the arithmetic of the whole at once"


def describe_seams(exact: bool, error: float | None, *, objects: bool = False) -> str:
    """Say in one line whether the result is that of the whole picture, and if not, the error at the seams."""
    if exact:
        return "exact, as if computed whole"
    if objects and error is None:
        return "not exact; no object lies whole in several tiles that could be compared"
    if objects:
        return (
            f"not exact; seam error {error:.1e}: the share of objects whole in several tiles that these see differently"
        )
    if error is None:
        return "not exact; the seams were not measured, because a stopped job had computed all tiles"
    return f"not exact; seam error {error:.1e}: the share of pixels at 16 seams that twice the halo changes"
