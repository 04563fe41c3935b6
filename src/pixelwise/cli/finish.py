"""The end of a run: score the best model on the validation pictures, and write the report."""

from __future__ import annotations

import shlex
import sys

from rich.console import Console

from pixelwise.cli.scoring import score_and_print
from pixelwise.data.source import DataSource
from pixelwise.inference import Predictor
from pixelwise.io.atomic import write_json
from pixelwise.report import make_examples, write_report
from pixelwise.training.fit import Fitted
from pixelwise.training.journal import read_metrics


def finish(fitted: Fitted, source: DataSource, console: Console) -> None:
    """Score a finished run on its validation pictures; write ``report.html``, then ``scores.json``.

    ``scores.json`` comes last, because its presence says that the run has finished.
    """
    run = fitted.run
    predictor = Predictor(run.path)
    pairs = source.split("val")
    evaluation = score_and_print(predictor, pairs, console)
    write_report(
        run.report_file,
        title=f"{fitted.settings.model} on {source.root.resolve().name}",
        evaluation=evaluation,
        label_space=predictor.label_space,
        examples=make_examples(predictor, pairs, evaluation),
        history=read_metrics(run),
        settings=fitted.settings.rows(),
        notes=(f"Scored on the {len(pairs)} validation pictures, which chose the best weights but taught none.",),
        commands=("pixelwise " + shlex.join(sys.argv[1:]),),
    )
    write_json(run.scores_file, evaluation.to_dict())
    console.print(f"\nmodel:  {run.model_file}\nreport: {run.report_file}", highlight=False, markup=False)
