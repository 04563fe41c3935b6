"""Comparing models, as ``pixelwise compare`` does: trained alike or finished, on the same pictures, on one page."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from pixelwise.data.doctor.diagnosis import diagnose
from pixelwise.data.locate import Located, locate
from pixelwise.data.source import open_data
from pixelwise.errors import PixelwiseError, SettingError
from pixelwise.inference.predictor import Predictor
from pixelwise.inspection import inspect_model
from pixelwise.io.atomic import write_json
from pixelwise.io.outputs import make_folder
from pixelwise.listener import Listener, Silent
from pixelwise.metrics.bootstrap import RESAMPLES
from pixelwise.metrics.object_intervals import OBJECT_RESAMPLES
from pixelwise.models import load_model
from pixelwise.report.comparison_page import write_comparison_page
from pixelwise.runs.comparing.names import read_named_model
from pixelwise.runs.comparing.prediction_cost import describe_machine, measure_prediction
from pixelwise.runs.comparing.scoring import Chosen, Outcome, choose_pictures, draw_pictures, score_run
from pixelwise.runs.comparing.training import Budget, TrainedModel, train_models
from pixelwise.runs.train import check_settings
from pixelwise.scoring.comparison import Candidate, Comparison, ModelCost
from pixelwise.types import LabelSpace
from pixelwise.words import counted

DRAWN_PICTURES = 8
"""The most pictures that are drawn."""
MIXED_KINDS = {
    "miou": (
        "Some networks find objects and others give every pixel a class. They are compared by the classes of pixels: "
        "objects that count as found are painted as annotated ones are, the smaller in front, with a line of "
        "background between objects of a class that touch. For AP and its relatives, the connected parts of a class "
        "are the objects of a network that gives every pixel a class"
    ),
    **dict.fromkeys(
        ("ap", "box_ap"),
        "Some networks find objects and others give every pixel a class. They are compared by objects, which are the "
        "connected parts of a class where every pixel has a class",
    ),
}
"""Headline -> what makes networks of two kinds comparable."""
JSON_FILE, PAGE_FILE = "compare.json", "compare.html"


def compare(
    data: str | os.PathLike[str] | Located,
    *,
    models: Sequence[str],
    out: str | os.PathLike[str],
    minutes: float | None = None,
    epochs: float | None = None,
    seeds: int = 1,
    skip_bad: bool = False,
    measure: bool = True,
    listener: Listener | None = None,
    commands: Sequence[str] = (),
    **settings: Any,
) -> Comparison | None:
    """Train models under the same budget and with the same seeds, and compare them on the same validation pictures.

    Each model has a run folder for each seed in ``out``. If this was stopped, the same call goes on: finished runs are
    kept, an unfinished one is resumed. A model whose training fails is listed with the reason.

    Args:
        data: a folder or a ``dataset.yaml``.
        models: names of models, each with options of its own, such as ``unet:encoder=resnet18``; see
            :func:`pixelwise.runs.comparing.names.read_named_model`. The others are compared with the first.
        out: the folder that gets the runs, ``compare.json`` and ``compare.html``.
        minutes: time for each run; or None.
        epochs: instead of a time, how often every pixel is seen on average; or None.
        seeds: how many runs each model has; the split stays the same.
        skip_bad: whether to leave out pictures that cannot be used, instead of refusing the data.
        measure: whether to measure latency and memory on this machine.
        listener: it is told the progress; by default there is none.
        commands: the commands that give the same results again, for the page.
        **settings: settings that all models share.

    Returns:
        The comparison; None if training was stopped before its end.

    Raises:
        PixelwiseError: the data, the folder, a model or a setting cannot be used, or no model could be trained.
    """
    listener = Silent() if listener is None else listener
    named = [read_named_model(text) for text in models]
    settings = {name: value for name, value in settings.items() if value is not None}
    _check_names([model.name for model in named])
    _check_names([model.folder for model in named])
    for model in named:
        check_settings({**settings, **model.settings}, minutes=minutes, epochs=epochs, size=None, upsampling=None)
    budget = Budget(minutes, epochs, seeds, settings)
    folder = Path(out)
    make_folder(folder, "out")
    located = data if isinstance(data, Located) else locate(Path(data))
    budget.hold(folder, located.root)
    source = diagnose(located, listener=listener).usable_source(skip_bad=skip_bad)
    for note in source.notes:
        listener.say(note)
    trained = train_models(named, source, folder, budget, listener=listener)
    if trained is None:
        return None
    return _compare(trained, located, folder, None, budget.words, measure, listener, commands)


def compare_runs(
    runs: Sequence[str | os.PathLike[str]],
    data: str | os.PathLike[str] | Located,
    *,
    out: str | os.PathLike[str],
    split: str | None = None,
    measure: bool = True,
    listener: Listener | None = None,
    commands: Sequence[str] = (),
) -> Comparison:
    """Compare finished runs on the pictures that none of them has learnt from.

    Args:
        runs: run folders and model files, of any kind; the others are compared with the first.
        data: a folder or a ``dataset.yaml``.
        out: the folder that gets ``compare.json`` and ``compare.html``.
        split: the only split that is scored. With None, the pictures that all runs which were trained on ``data`` kept
            for validation; if there is no such run, all pictures.
        measure: whether to measure latency and memory on this machine.
        listener: it is told the progress; by default there is none.
        commands: the commands that give the same results again, for the page.

    Raises:
        PixelwiseError: the data or the folder cannot be used, there are no pictures that all runs kept, or no run could
            be scored.
    """
    listener = Silent() if listener is None else listener
    paths = [Path(run) for run in runs]
    _check_names([str(path) for path in paths])
    make_folder(Path(out), "out")
    located = data if isinstance(data, Located) else locate(Path(data))
    names = [path.stem if path.is_file() else path.resolve().name for path in paths]
    if len(set(names)) < len(names):
        names = [str(path) for path in paths]
    models = tuple(TrainedModel(name, (path,), ()) for name, path in zip(names, paths, strict=True))
    return _compare(models, located, Path(out), split, "", measure, listener, commands)


def _check_names(names: Sequence[str]) -> None:
    if len(names) < 2:
        raise SettingError(f"{len(names)} given; two or more can be compared", argument="models")
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice is not None:
        raise SettingError(f"{twice} is given twice; leave one out, or give it other options", argument="models")


def _compare(
    models: Sequence[TrainedModel],
    data: Located,
    out: Path,
    split: str | None,
    budget: str,
    measure: bool,
    listener: Listener,
    commands: Sequence[str],
) -> Comparison:
    """Score and measure finished runs, and write the page."""
    paths = [run for model in models for run in model.runs]
    if not paths:
        reasons = "; ".join(f"{model.name}: {problem}" for model in models for problem in model.problems)
        raise PixelwiseError(f"no model could be trained: {reasons}")
    first = next((space for space in map(_label_space, paths) if space is not None), None)
    chosen = choose_pictures(paths, open_data(data, label_space=first, skip_bad=True), split)
    listener.say(f"{counted(len(chosen.ids), 'picture')}: {chosen.words}")
    outcomes: dict[Path, Outcome] = {}
    candidates = []
    for model in models:
        candidates.append(_score(model, data, chosen, outcomes, measure, listener))
    if not outcomes:
        reasons = "; ".join(problem for one in candidates for problem in one.problems)
        raise PixelwiseError(f"nothing could be scored: {reasons}")
    comparison = _put_together(
        candidates, list(outcomes.values()), chosen, budget, describe_machine() if measure else ""
    )
    shown = comparison.differing(DRAWN_PICTURES)
    firsts = {one.name: Path(one.runs[0].path) for one in comparison.scored}
    drawn = draw_pictures(firsts, data, shown, listener) if shown else ()
    write_json(out / JSON_FILE, comparison.to_dict())
    write_comparison_page(
        out / PAGE_FILE,
        comparison,
        title=f"{len(candidates)} models on {data.root.resolve().name}",
        pictures=drawn,
        commands=commands,
    )
    return comparison


def _label_space(path: Path) -> LabelSpace | None:
    """The classes of a model; None if it cannot be opened, which scoring will say."""
    try:
        return Predictor(path).label_space
    except PixelwiseError:
        return None


def _score(
    model: TrainedModel, data: Located, chosen: Chosen, outcomes: dict[Path, Outcome], measure: bool, listener: Listener
) -> Candidate:
    """Score and measure the runs of a model, and add them to the outcomes of all models."""
    scored, problems = [], list(model.problems)
    cost = None
    for run in model.runs:
        reference = next((list(outcome.colors) for outcome in outcomes.values()), None)
        try:
            outcome = score_run(run, data, chosen, classes=reference, listener=listener)
            if cost is None:
                cost = _cost(run, outcome, measure)
        except PixelwiseError as error:
            problems.append(str(error))
            listener.warn(f"{model.name} cannot be compared: {error}")
            continue
        outcomes[run] = outcome
        scored.append(outcome)
    return Candidate(
        model.name,
        tuple(outcome.scored for outcome in scored),
        tuple(problems),
        cost,
        any(outcome.finds_objects for outcome in scored),
    )


def _cost(run: Path, outcome: Outcome, measure: bool) -> ModelCost:
    inspected = inspect_model(load_model(run), size=outcome.size)
    if not measure:
        return ModelCost(inspected.parameters, inspected.multiply_adds, outcome.size)
    found = measure_prediction(run, outcome.files)
    return ModelCost(
        inspected.parameters,
        inspected.multiply_adds,
        outcome.size,
        found.latency_ms,
        (found.fastest_ms, found.slowest_ms),
        found.memory_mib,
    )


def _put_together(
    candidates: Sequence[Candidate], outcomes: Sequence[Outcome], chosen: Chosen, budget: str, machine: str
) -> Comparison:
    """Choose the figure that the candidates are compared by, and say how it is counted."""
    finding = [outcome.finds_objects for outcome in outcomes]
    shared = set.intersection(*(set(outcome.scored.figures) for outcome in outcomes))
    order = ("ap", "box_ap", "miou") if all(finding) else ("miou", "ap", "box_ap")
    headline = next(key for key in order if key in shared)
    rule = outcomes[0].rule
    if any(finding) and not all(finding):
        rule += f". {MIXED_KINDS[headline]}"
    resamples = OBJECT_RESAMPLES if "box_ap" in shared else RESAMPLES
    return Comparison(
        tuple(candidates),
        headline,
        outcomes[0].colors,
        chosen.ids,
        chosen.words,
        rule,
        machine,
        budget,
        resamples,
    )
