"""Scoring a model on a data set, as ``pixelwise evaluate`` and :func:`pixelwise.evaluate` do."""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from pixelwise.data.doctor.diagnosis import diagnose
from pixelwise.data.locate import Located
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.errors import DataError, SettingError
from pixelwise.inference.pictures import decode_picture
from pixelwise.inference.predictor import Predictor
from pixelwise.io.pictures.depth import Learnt
from pixelwise.listener import Listener, Silent
from pixelwise.scoring import Evaluation, Judged, judge_for, judge_pictures
from pixelwise.scoring.spread import JudgeRecipe, judge_on_devices
from pixelwise.tiling import Mode
from pixelwise.training.run_folder import saved_split
from pixelwise.words import counted

ModelPath = str | os.PathLike[str]

_CHECKED_PICTURES = 8  # the number of pictures whose range of numbers is checked before scoring


@dataclass(frozen=True, eq=False)
class ScoredModel:
    """A model scored on pictures of a data set.

    Args:
        source: the data.
        chosen: which of its pictures were scored, in words.
        judged: the judged pictures, from which examples are drawn.
        evaluation: the scores.
    """

    source: DataSource
    chosen: str
    judged: Judged[Any, Any]
    evaluation: Evaluation


def evaluate(
    model: ModelPath | Predictor,
    data: ModelPath | Located | DataSource,
    *,
    split: str | None = None,
    tta: Sequence[str | float] = (),
    value_range: tuple[float, float] | None = None,
    runtime: str = "auto",
    device: str = "auto",
    mode: Mode = "auto",
    skip_bad: bool = False,
    devices: int = 1,
    listener: Listener | None = None,
) -> Evaluation:
    """Score a model on pictures with masks or objects, each at its own size.

    Args:
        model: a run folder, a model file, or a predictor.
        data: a folder or a ``dataset.yaml``, whose pictures are all checked first, or what
            :func:`pixelwise.open_data` gave with the label space of the model.
        split: the only split that is scored. With None, the pictures kept for validation are scored if the model was
            trained on ``data``, else all.
        tta: views to average; see :class:`pixelwise.Predictor`.
        value_range: the stored numbers of pictures that become black and white; with None, those that the model learnt
            from. A predictor has its own.
        runtime: the library that computes; see :class:`pixelwise.Predictor`, as of ``device`` and ``mode``.
        device: the device that computes.
        mode: how large pictures are cut into tiles.
        skip_bad: whether to leave out pictures that cannot be used, instead of refusing the data.
        devices: processes that score, each on a GPU of its own, or sharing the cores; the scores do not depend on it. A
            predictor scores in one.
        listener: it is told the progress of the scoring; by default there is none.

    Raises:
        PixelwiseError: the model or the data cannot be used, or there is no such split.
    """
    return score(
        model,
        data,
        split=split,
        tta=tta,
        value_range=value_range,
        runtime=runtime,
        device=device,
        mode=mode,
        skip_bad=skip_bad,
        devices=devices,
        listener=listener,
    ).evaluation


def score(
    model: ModelPath | Predictor,
    data: ModelPath | Located | DataSource,
    *,
    split: str | None = None,
    tta: Sequence[str | float] = (),
    value_range: tuple[float, float] | None = None,
    runtime: str = "auto",
    device: str = "auto",
    mode: Mode = "auto",
    skip_bad: bool = False,
    devices: int = 1,
    listener: Listener | None = None,
) -> ScoredModel:
    """Score a model as :func:`evaluate` does, and keep what examples are drawn from."""
    listener = Silent() if listener is None else listener
    if isinstance(model, Predictor) and value_range is not None:
        raise SettingError("a predictor has a range of its own; give it to the predictor", argument="value_range")
    if devices < 1 or (devices > 1 and isinstance(model, Predictor)):
        raise SettingError(f"must be 1 for a predictor, and positive for a file; got {devices}", argument="devices")
    options: dict[str, Any] = {"tta": tuple(tta), "value_range": value_range, "mode": mode}
    predictor = (
        model if isinstance(model, Predictor) else Predictor(Path(model), runtime=runtime, device=device, **options)
    )
    if predictor.runtime.note:
        listener.say(f"computed by {predictor.runtime.note}")
    if isinstance(data, DataSource):
        source = data
    else:
        diagnosis = diagnose(data, label_space=predictor.label_space, listener=listener)
        source = diagnosis.usable_source(skip_bad=skip_bad, training=False)
        for note in source.notes:
            listener.say(note)
    if source.left_out:
        listener.say(f"left out because they cannot be used: {', '.join(source.left_out)}")
    pairs, chosen = choose_pairs(None if isinstance(model, Predictor) else Path(model), source, split)
    listener.say(f"{counted(len(pairs), 'picture')}: {chosen}")
    _say_narrow(predictor, pairs, listener)
    judge = judge_for(predictor, pairs, source.label_space)
    with listener.progress("scoring", len(pairs)) as progress:
        if devices > 1 and not isinstance(model, Predictor):
            options |= {"runtime": predictor.runtime.library, "precision": predictor.runtime.precision}
            recipe = JudgeRecipe(Path(model), source.label_space, options)
            judged = judge_on_devices(judge, recipe, pairs, devices, progress=progress)
        else:
            judged = judge_pictures(judge, pairs, progress=progress)
    return ScoredModel(source, chosen, judged, judged.evaluation())


def _say_narrow(predictor: Predictor, pairs: Sequence[Pair], listener: Listener) -> None:
    """Tell the listener if all of the first pictures use only a small part of the range that was learnt."""
    learnt = Learnt.of(predictor.preprocessing)
    if learnt.value_range is None or not pairs:
        return
    if all(decode_picture(pair.image, predictor.preprocessing).narrow for pair in pairs[:_CHECKED_PICTURES]):
        listener.say(learnt.describe_narrow(str(pairs[0].image)))


def choose_pairs(model: Path | None, source: DataSource, split: str | None) -> tuple[tuple[Pair, ...], str]:
    """Choose the pictures to score, and say in words which were chosen.

    Raises:
        DataError: there is no such split, or pictures that the run kept for validation are missing.
    """
    ids = None if model is None else saved_split(model, source.root, split=split or "val")
    if ids is None:
        if split is not None:
            return source.split(split), f"split {split} of {source.root}"
        return tuple({pair.id: pair for pair in source.pairs}.values()), f"all of {source.root}"
    by_id = {pair.id: pair for pair in source.pairs}
    gone = [id for id in ids if id not in by_id and id not in source.left_out]
    if gone:
        kept = f"picture that the run kept as {split or 'val'}"
        raise DataError(
            f"{source.root}: {counted(len(gone), kept, 'is', of=len(ids))} gone: "
            f"{', '.join(gone[:5])}; bring them back, or name a split"
        )
    return tuple(by_id[id] for id in ids if id in by_id), f"split {split or 'val'} as the run {model} kept it"
