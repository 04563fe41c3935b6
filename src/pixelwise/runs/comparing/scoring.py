"""Scoring runs on the pictures that all of them kept for validation."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pixelwise.data.locate import Located
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource, open_data
from pixelwise.errors import DataError, ModelError
from pixelwise.inference.predictor import Predictor
from pixelwise.listener import Listener
from pixelwise.metrics.average_precision import IouType
from pixelwise.metrics.bootstrap import RESAMPLES
from pixelwise.metrics.object_intervals import OBJECT_RESAMPLES, resample_class_ap, resample_objects
from pixelwise.metrics.paired import NOT_SAMPLED, Sampled, sample_pixels
from pixelwise.models.model_file import find_model_file
from pixelwise.report.comparison_page import DifferingPicture
from pixelwise.scoring import Judged, judge_for, judge_pictures
from pixelwise.scoring.comparison import ScoredRun
from pixelwise.scoring.evaluation import Evaluation
from pixelwise.scoring.example import Example
from pixelwise.scoring.object_judge import ObjectComparison, ObjectJudge
from pixelwise.training.journal import read_metrics
from pixelwise.training.run_folder import RunFolder, saved_split
from pixelwise.training.settings import Settings
from pixelwise.types import Color
from pixelwise.words import counted


@dataclass(frozen=True)
class Chosen:
    """The pictures that runs are compared on.

    Args:
        ids: their ids.
        words: which they are.
    """

    ids: tuple[str, ...]
    words: str


@dataclass(frozen=True, eq=False)
class Outcome:
    """A run that was scored.

    Args:
        scored: its figures.
        colors: class name -> colour.
        finds_objects: whether its network finds objects.
        rule: how its figures are counted, in words.
        size: height and width of most pictures.
        files: the pictures.
    """

    scored: ScoredRun
    colors: Mapping[str, Color]
    finds_objects: bool
    rule: str
    size: tuple[int, int]
    files: tuple[Path, ...]


def choose_pictures(runs: Sequence[Path], source: DataSource, split: str | None = None) -> Chosen:
    """Choose the pictures that none of the runs has learnt from.

    Runs that were trained on these data know which pictures they kept; models from elsewhere do not.

    Args:
        runs: run folders and model files.
        source: the data.
        split: the split to score; None for the pictures kept for validation, or all pictures if no run kept any.

    Raises:
        DataError: there is no such split, no picture was kept by all runs, or pictures are gone.
    """
    name = split or "val"
    kept = [ids for ids in (saved_split(run, source.root, split=name) for run in runs) if ids is not None]
    if not kept:
        if split is not None:
            return Chosen(tuple(pair.id for pair in source.split(split)), f"split {split} of {source.root}")
        return Chosen(tuple(dict.fromkeys(pair.id for pair in source.pairs)), f"all of {source.root}")
    shared = set.intersection(*map(set, kept))
    ids = tuple(id for id in kept[0] if id in shared)
    if not ids:
        raise DataError(
            f"{source.root}: the runs kept different pictures as {name} and have none in common, so that no picture "
            "is new to all of them; train them with one split"
        )
    present = {pair.id for pair in source.pairs} | set(source.left_out)
    gone = [id for id in ids if id not in present]
    if gone:
        raise DataError(
            f"{source.root}: {counted(len(gone), f'picture that the runs kept as {name}', 'is', of=len(ids))} gone: "
            f"{', '.join(gone[:5])}; bring them back, or name a split"
        )
    words = f"split {name} as the runs kept it"
    most = max(map(len, kept))
    if most > len(ids):
        words += f": the {len(ids)} of {counted(most, 'picture')} that all runs kept"
    if len(kept) < len(runs):
        words += (
            f"; {counted(len(runs) - len(kept), 'model', 'was')} not trained on this folder, and may have learnt from "
            "these pictures"
        )
    return Chosen(ids, words)


def score_run(
    run: Path, data: Located, chosen: Chosen, *, classes: Sequence[str] | None, listener: Listener
) -> Outcome:
    """Score a run on the chosen pictures.

    Args:
        run: a run folder or model file.
        data: the data.
        chosen: the pictures.
        classes: the classes of the run that it is compared with, in their order; None for the first run.
        listener: it is told the progress.

    Raises:
        PixelwiseError: the model or a picture cannot be used, or the model has other classes.
    """
    predictor = Predictor(run)
    judged = judge_chosen(predictor, data, chosen, listener, doing=f"scoring {run.name}")
    evaluation = judged.evaluation()
    own = predictor.label_space.names
    classes = own if classes is None else classes
    if set(classes) != set(own):
        raise ModelError(
            f"{run}: knows {', '.join(own)}, but the model that it is compared with knows {', '.join(classes)}"
        )
    folder = RunFolder(find_model_file(run).parent)
    settings = Settings.load(folder.settings_file) if folder.settings_file.is_file() else None
    rows = read_metrics(folder)
    figures, by_class, by_picture = _sampled(judged, evaluation, classes)
    scored = ScoredRun(
        str(run),
        None if settings is None else settings.seed,
        figures,
        by_class,
        by_picture,
        training_seconds=float(rows[-1]["seconds"]) if rows else None,
        steps=None if settings is None else settings.steps,
    )
    space = predictor.label_space
    sizes = [picture.size for picture in judged.compared]
    return Outcome(
        scored,
        dict(zip(space.names, space.colors, strict=True)),
        predictor.finds_objects,
        evaluation.rule,
        max(set(sizes), key=sizes.count),
        tuple(pair.image for pair in judged.pairs),
    )


def judge_chosen(
    predictor: Predictor, data: Located, chosen: Chosen, listener: Listener, *, doing: str = "scoring"
) -> Judged[Any, Any]:
    """Let a model predict the chosen pictures, and compare them with their annotations."""
    source = open_data(data, label_space=predictor.label_space, skip_bad=True)
    pairs = pairs_of(source, chosen.ids)
    if any(pair.objects is not None for pair in pairs):
        judge: Any = ObjectJudge(predictor, source.label_space, paint=True)
    else:
        judge = judge_for(predictor, pairs, source.label_space)
    with listener.progress(doing, len(pairs)) as progress:
        return judge_pictures(judge, pairs, progress=progress)


def draw_pictures(
    runs: Mapping[str, Path], data: Located, ids: Sequence[str], listener: Listener
) -> tuple[DifferingPicture, ...]:
    """Draw pictures with their annotation and what each model predicts; the models are loaded one after the other.

    Args:
        runs: name of a model -> the run that is drawn.
        data: the data.
        ids: the pictures.
        listener: it is told the progress.
    """
    examples: dict[str, list[Example]] = {}
    for name, run in runs.items():
        judged = judge_chosen(Predictor(run), data, Chosen(tuple(ids), ""), listener, doing=f"drawing {name}")
        examples[name] = [
            judged.judge.draw(pair, compared, group="")
            for pair, compared in zip(judged.pairs, judged.compared, strict=True)
        ]
    return tuple(
        DifferingPicture(id, beside[0].image, beside[0].truth, dict(zip(examples, beside, strict=True)))
        for id, beside in zip(ids, zip(*examples.values(), strict=True), strict=True)
    )


def pairs_of(source: DataSource, ids: Sequence[str]) -> tuple[Pair, ...]:
    """Give the pairs of the pictures with these ids, in their order; those that were left out are not there."""
    by_id = {pair.id: pair for pair in source.pairs}
    return tuple(by_id[id] for id in ids if id in by_id)


def _sampled(
    judged: Judged[Any, Any], evaluation: Evaluation, classes: Sequence[str]
) -> tuple[dict[str, Sampled], dict[str, dict[str, Sampled]], dict[str, dict[str, float]]]:
    """Compute all figures on drawn sets: by name, by headline and class, and by headline and picture."""
    figures: dict[str, Sampled] = {}
    by_class: dict[str, dict[str, Sampled]] = {}
    by_picture: dict[str, dict[str, float]] = {}
    ids = [str(id) for id in evaluation.pictures.column("id")]
    if evaluation.pixels is not None:
        names = evaluation.pixels.names
        order = np.ix_(*[[names.index(name) for name in classes]] * 2)
        pixels = [one.pixels if isinstance(one, ObjectComparison) else one.counts for one in judged.compared]
        counts = [one[order] for one in pixels if one is not None]
        others = None if evaluation.details is None else evaluation.details.sums
        resamples = RESAMPLES if evaluation.objects is None else OBJECT_RESAMPLES
        figures, by_class["miou"] = sample_pixels(counts, classes, others, resamples=resamples)
        by_picture["miou"] = dict(zip(ids, _floats(evaluation, "miou"), strict=True))
    if evaluation.objects is not None:
        found, of_classes = _sampled_objects([one.objects for one in judged.compared], evaluation)
        figures |= found
        by_class |= of_classes
        own = dict(zip(ids, _floats(evaluation, "tp_fp_fn"), strict=True))
        by_picture |= dict.fromkeys(of_classes, own)
    return figures, by_class, by_picture


def _sampled_objects(
    pictures: Sequence[Any], evaluation: Evaluation
) -> tuple[dict[str, Sampled], dict[str, dict[str, Sampled]]]:
    scores = evaluation.objects
    assert scores is not None
    stated = scores.to_dict()
    drawn = resample_objects(pictures, scores) if len(pictures) > 1 else {}
    kinds: dict[str, IouType] = {"ap": "mask", "box_ap": "box"} if scores.overlap == "mask" else {"box_ap": "box"}
    of_boxes = () if scores.overlap == "mask" else ("ap", "ap50", "ap75")  # these repeat the AP of boxes
    figures = {
        name: Sampled(_number(stated[name]), drawn.get(name, NOT_SAMPLED))
        for name in ("ap", "ap50", "ap75", "box_ap", "boundary_ap", "ap50_tp_fp_fn", "pq")
        if name not in of_boxes
    }
    by_class = {}
    for headline, kind in kinds.items():
        of_class = resample_class_ap(pictures, scores, kind) if len(pictures) > 1 else [NOT_SAMPLED] * len(scores.names)
        by_class[headline] = {
            name: Sampled(_number(stated["object_classes"][name][headline]), values)
            for name, values in zip(scores.names, of_class, strict=True)
        }
    return figures, by_class


def _floats(evaluation: Evaluation, column: str) -> list[float]:
    return [float(value) for value in evaluation.pictures.column(column)]


def _number(value: float | None) -> float:
    return math.nan if value is None else value
