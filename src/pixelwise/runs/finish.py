"""Finishing a run: calibrating the best model on the validation pictures, saving it, and writing the report."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Sequence
from dataclasses import dataclass

from pixelwise.card import TrainingSummary
from pixelwise.data.source import DataSource
from pixelwise.inference import Predictor
from pixelwise.io.atomic import write_json
from pixelwise.listener import Listener, Silent, tell_each
from pixelwise.models import load_model, save_model
from pixelwise.report import write_report
from pixelwise.runs.calibration import calibrate
from pixelwise.runs.remarks import remarks
from pixelwise.scoring import Evaluation
from pixelwise.training.journal import read_metrics
from pixelwise.training.resuming.data_record import accepted_changes
from pixelwise.training.run_folder import RunFolder
from pixelwise.training.settings import Settings
from pixelwise.training.timing.schedule import Schedule
from pixelwise.words import counted


@dataclass(frozen=True)
class Run:
    """A training run and its result.

    Args:
        folder: the folder of its files.
        settings: its settings.
        evaluation: the scores of the best weights on the validation pictures; None if the run has not finished.
        stopped: whether training was stopped before its end, so that it can be resumed.
    """

    folder: RunFolder
    settings: Settings
    evaluation: Evaluation | None
    stopped: bool = False


def finish(
    run: RunFolder,
    settings: Settings,
    source: DataSource,
    *,
    listener: Listener | None = None,
    commands: Sequence[str] = (),
) -> Run:
    """Score a run on its validation pictures; write ``report.html``, then ``scores.json``.

    First, the halo of fast tiles and, if objects are annotated, the rule for what counts as an object are chosen on
    these pictures, and the model file is written again with both. ``scores.json`` is written last, because its presence
    means that the run has finished.

    Args:
        run: the folder of the run, with the best model.
        settings: the settings of the run.
        source: the data that the model was trained on.
        listener: it is told the progress.
        commands: the commands that give the same results again, for the report.

    Raises:
        PixelwiseError: a picture cannot be used, or a file cannot be written.
    """
    listener = Silent() if listener is None else listener
    model = load_model(run.model_file)
    predictor = Predictor(model)
    pairs = source.split("val")
    calibration = calibrate(predictor, pairs, predictor.label_space, listener=listener)
    schedule = Schedule.load(run, settings)
    model.change_card(object_rule=calibration.rule, training=summarise(source, schedule.steps, calibration.evaluation))
    if calibration.halo is not None:
        model.change_card(fast_halo=calibration.halo)
        listener.say(f"tiles of larger pictures see {calibration.halo} pixels around them")
    save_model(model, run.model_file)
    evaluation = calibration.evaluation
    history = read_metrics(run)
    wrong = remarks(evaluation, history)
    for remark in wrong:
        listener.warn(remark)
    chosen = "the best weights" if evaluation.objects is None else "the best weights and what counts as an object"
    examples = calibration.judged.examples(evaluation)
    with listener.progress("drawing", len(examples)) as progress:
        write_report(
            run.report_file,
            title=f"{settings.model} on {source.root.resolve().name}",
            evaluation=evaluation,
            examples=tell_each(examples, progress, len(examples)),
            history=history,
            settings=settings.rows(),
            notes=(
                f"Scored on the {counted(len(pairs), 'validation picture')}, which chose {chosen} but taught none.",
                *wrong,
                *schedule.sentences(),
                *(f"The data changed while the run was stopped: {change}." for change in accepted_changes(run)),
            ),
            commands=commands,
        )
    write_json(run.scores_file, evaluation.to_dict())
    return Run(run, settings, evaluation)


def summarise(source: DataSource, steps: int, evaluation: Evaluation) -> TrainingSummary:
    """Summarise a run for the card of its model.

    Args:
        source: the data that the model was trained on.
        steps: the number of training steps.
        evaluation: the scores of its validation pictures.
    """
    pairs = source.split("train")
    names = json.dumps([source.label_space.names, sorted(pair.id for pair in pairs)])
    figures = (evaluation.headline, *evaluation.figures)
    scores = {figure.name: figure.value if figure.defined else None for figure in figures}
    return TrainingSummary(
        data=hashlib.sha256(names.encode()).hexdigest()[:16], pictures=len(pairs), steps=steps, scores=scores
    )
