"""The demo's work: cut the data, train as anyone would, map the Earth, score the half that was never seen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
import torch
from PIL import Image
from rich.console import Console

from pixelwise.cli.tables import print_scores
from pixelwise.data.blue_marble import LABELS, BlueMarble, read_blue_marble, write_americas
from pixelwise.data.source import open_data
from pixelwise.evaluation import Evaluation
from pixelwise.inference import Predictor
from pixelwise.io.atomic import atomic_path, write_json
from pixelwise.metrics.scores import Scores
from pixelwise.ops import confusion_counts
from pixelwise.report import make_example, write_report
from pixelwise.training.fit import Fitted, fit
from pixelwise.training.journal import read_metrics
from pixelwise.training.run_folder import RunFolder

MINUTES = 2.8
"""For getting ready, training and its validations; mapping and the report come on top."""

# What this picture calls for beyond the plan: a map has one scale and one light, and knows no up or down for lakes.
MAP_SETTINGS: dict[str, Any] = {
    "crop": (384, 384),
    "scale": (0.8, 1.5),
    "vflip": True,
    "rotation": 180.0,
    "color": 0.15,
    "rare_class_probability": 0.5,
}

LAKES_NOTE = (
    "Lakes are the hard class here: a pixel of a lake looks like a pixel of the sea, and only what surrounds it, often "
    "hundreds of pixels away, tells them apart. A network can do that as far as its receptive field reaches. Lakes are "
    "also rare, 0.4% of the map, so half of the training crops were centred on rare classes. The Caspian, a third of "
    "all lake pixels, is as large as a sea and counts as a lake."
)


EUROPE = np.s_[250:900, 2550:3550]
GREAT_LAKES = np.s_[500:850, 1250:1750]


def learn_and_map(out: Path, console: Console) -> None:
    """Run the demo in an empty folder."""
    started = time.monotonic()
    earth = read_blue_marble()
    console.print(f"the Blue Marble, {earth.mask.shape[1]} x {earth.mask.shape[0]} pixels: sea, land and lakes")
    write_americas(earth, out / "data")
    source = open_data(out / "data", label_space=LABELS)
    run = RunFolder(out / "run")
    fitted = fit(source, run, fixed=MAP_SETTINGS, minutes=MINUTES, started=started, console=console)
    if fitted.finished:
        _map_the_earth(out, earth, fitted, console)
        console.print(f"[dim]all of it took {(time.monotonic() - started) / 60:.1f} minutes[/]", highlight=False)


def _map_the_earth(out: Path, earth: BlueMarble, fitted: Fitted, console: Console) -> None:
    """Label the whole map, score its eastern half, and leave pictures, a report and what to type next."""
    predictor = Predictor(fitted.run.path)
    with console.status("mapping the whole Earth"):
        started = time.monotonic()
        prediction = predictor(earth.image)
        seconds = time.monotonic() - started
    console.print(f"mapped {earth.mask.size / 1e6:.1f} megapixels in {seconds:.1f} s", highlight=False)
    east = np.s_[:, earth.mask.shape[1] // 2 :]
    counts = confusion_counts(
        torch.from_numpy(earth.mask[east].copy()), torch.from_numpy(prediction.labels[east].copy()), len(LABELS)
    )
    scores = Scores.from_counts(counts.numpy(), LABELS, images=1)
    print_scores(console, scores, LABELS)

    prediction.save(out / "earth-labels.png")
    with atomic_path(out / "earth-overlay.png") as beside:
        Image.fromarray(prediction.overlay()[::2, ::2]).save(beside, format="PNG")
    pictures = {"The whole Earth": np.s_[:, :], "Europe, never seen in training": EUROPE, "Great Lakes": GREAT_LAKES}
    examples = [
        make_example(name, earth.image[at], earth.mask[at], prediction.labels[at], LABELS, longest=1000)
        for name, at in pictures.items()
    ]
    write_report(
        out / "report.html",
        title="Sea, land and lakes",
        evaluation=Evaluation(scores, ()),
        label_space=LABELS,
        examples=examples,
        history=read_metrics(fitted.run),
        settings=fitted.settings.rows(),
        notes=("Learnt from the Americas, scored on the half of the Earth east of Greenwich.", LAKES_NOTE),
        commands=("pixelwise demo",),
    )
    write_json(fitted.run.scores_file, scores.to_dict())
    console.print(
        f"\noverlay: {out / 'earth-overlay.png'}\nreport:  {out / 'report.html'}", highlight=False, markup=False
    )
    console.print(
        "\nnow with your own pictures (images/ and masks/ of the same names):\n"
        "  pixelwise train    my-data --minutes 15 --out runs/first\n"
        "  pixelwise evaluate runs/first my-data --report runs/first-report\n"
        "  pixelwise predict  runs/first more-pictures/ --out labelled",
        highlight=False,
        markup=False,
    )
