"""The end of a run: score the best model on the validation pictures, and write the report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.console import Console

from pixelwise.cli.progress import counting
from pixelwise.cli.scoring import annotate_objects, print_evaluation, score_and_print
from pixelwise.data.pairs import Pair
from pixelwise.data.source import DataSource
from pixelwise.evaluation import Evaluation, measure_halo
from pixelwise.inference import Predictor
from pixelwise.io.atomic import write_json
from pixelwise.models import SegmentationModel, load_model, save_model
from pixelwise.object_evaluation import ObjectEvaluation, compare_pictures
from pixelwise.report import make_examples, write_report
from pixelwise.training.fit import Fitted
from pixelwise.training.journal import read_metrics


def finish(fitted: Fitted, source: DataSource, console: Console) -> None:
    """Score a finished run on its validation pictures; write ``report.html``, then ``scores.json``.

    These pictures first choose how much tiles see around them and, where objects are annotated, what counts as an
    object; the model file is written once more with that. ``scores.json`` comes last, because its presence says that
    the run has finished.
    """
    run = fitted.run
    predictor = Predictor(run.path)
    pairs = source.split("val")
    if not predictor.finds_objects:
        predictor = _choose_halo(run.model_file, predictor, pairs, console)
    evaluation: Evaluation | ObjectEvaluation
    if annotate_objects(pairs):
        predictor, evaluation = _choose_rule(run.model_file, predictor, pairs, console)
    else:
        evaluation = score_and_print(predictor, pairs, console)
    chosen = "the best weights"
    if isinstance(evaluation, ObjectEvaluation):
        chosen += " and what counts as an object"
    write_report(
        run.report_file,
        title=f"{fitted.settings.model} on {source.root.resolve().name}",
        evaluation=evaluation,
        label_space=predictor.label_space,
        examples=make_examples(predictor, pairs, evaluation),
        history=read_metrics(run),
        settings=fitted.settings.rows(),
        notes=(f"Scored on the {len(pairs)} validation pictures, which chose {chosen} but taught none.",),
        commands=("pixelwise " + shlex.join(sys.argv[1:]),),
    )
    write_json(run.scores_file, evaluation.to_dict())
    console.print(f"\nmodel:  {run.model_file}\nreport: {run.report_file}", highlight=False, markup=False)


def _choose_halo(file: Path, predictor: Predictor, pairs: Sequence[Pair], console: Console) -> Predictor:
    """Choose how much tiles of larger pictures see around them, and save it with the model."""
    model = load_model(file)
    assert isinstance(model, SegmentationModel)
    with counting("choosing the halo of tiles", len(pairs)) as progress:
        model.fast_halo = measure_halo(predictor, pairs, predictor.label_space, progress=progress)
    console.print(f"tiles of larger pictures see {model.fast_halo} pixels around them", highlight=False)
    save_model(model, file)
    return Predictor(model)


def _choose_rule(
    file: Path, predictor: Predictor, pairs: Sequence[Pair], console: Console
) -> tuple[Predictor, ObjectEvaluation]:
    """Choose what counts as an object by pictures that taught nothing, save it with the model, and score them by it."""
    with counting("scoring", len(pairs)) as progress:
        compared = compare_pictures(predictor, pairs, predictor.label_space, progress=progress)
    model = load_model(file)
    model.object_rule = compared.chosen_rule(predictor.rule, ranked=predictor.finds_objects)
    save_model(model, file)
    evaluation = compared.evaluation(model.object_rule)
    print_evaluation(console, evaluation, predictor.label_space)
    return Predictor(model), evaluation
