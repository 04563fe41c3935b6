"""The demo's work: cut the data, train as anyone would, map the Earth, score the half that was never seen."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray
from PIL import Image
from rich.console import Console

from pixelwise.cli.progress import Terminal
from pixelwise.cli.tables import print_evaluation
from pixelwise.data.blue_marble import EARTH_LABEL_SPACE, BlueMarble, read_blue_marble, write_americas
from pixelwise.data.source import open_data
from pixelwise.inference import Predictor
from pixelwise.inference.drawing.overlay import paint
from pixelwise.inference.labelling.label import describe_plan, describe_seams
from pixelwise.io.atomic import atomic_path, write_json
from pixelwise.io.masks import read_mask
from pixelwise.io.rasters.georeference import Georeference
from pixelwise.io.rasters.source import ArrayPixels, Raster
from pixelwise.metrics.scores import Scores
from pixelwise.ops.counting import count_labels
from pixelwise.report import write_report
from pixelwise.scoring.pixel_drawing import draw_pixels
from pixelwise.scoring.pixel_tables import pixel_evaluation
from pixelwise.training.fit import Fitted, fit
from pixelwise.training.journal import read_metrics
from pixelwise.training.run_folder import RunFolder

TRAINING_MINUTES = 2.8
"""The minutes for preparation, training and validation; mapping and the report take more time."""

# Settings for this picture that the plan does not choose: a map has one scale and one light, and lakes have no up or
# down.
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


EUROPE_WINDOW = np.s_[250:900, 2550:3550]
GREAT_LAKES_WINDOW = np.s_[500:850, 1250:1750]


def learn_and_map(out: Path, console: Console) -> None:
    """Run the demo in an empty folder."""
    started = time.monotonic()
    earth = read_blue_marble()
    console.print(f"the Blue Marble, {earth.mask.shape[1]} x {earth.mask.shape[0]} pixels: sea, land and lakes")
    write_americas(earth, out / "data")
    source = open_data(out / "data", label_space=EARTH_LABEL_SPACE)
    run = RunFolder(out / "run")
    fitted = fit(source, run, fixed=MAP_SETTINGS, minutes=TRAINING_MINUTES, started=started, listener=Terminal(console))
    if fitted.finished:
        _map_the_earth(out, earth, fitted, console)
        console.print(f"[dim]all of it took {(time.monotonic() - started) / 60:.1f} minutes[/]", highlight=False)


def map_raster(predictor: Predictor, image: NDArray[np.uint8], path: Path, console: Console) -> NDArray[Any]:
    """Label a map of the whole Earth in plate carree projection by windows, into a GeoTIFF.

    Args:
        predictor: the model.
        image: uint8 (H, W, 3), north up, from 180 degrees west to 180 degrees east.
        path: the file to write.
        console: prints how it is done, and how long it took.

    Returns:
        The labels (H, W).
    """
    started = time.monotonic()
    size = (image.shape[0], image.shape[1])
    source = Raster("the Earth", size, 3, image.dtype, ArrayPixels(image), georeference=plate_carree(size))
    plan = predictor.plan(size)
    console.print(f"mapping the whole Earth, {describe_plan(plan)}", highlight=False)
    with Terminal(console).progress("mapping", len(plan)) as progress:
        result = predictor.raster(source, path, progress=progress)
    seconds, megapixels = time.monotonic() - started, image[..., 0].size / 1e6
    console.print(
        f"mapped {megapixels:.1f} megapixels in {seconds:.1f} s ({megapixels / seconds:.1f} a second), "
        f"{describe_seams(result.exact, result.seam_error)}",
        highlight=False,
    )
    return read_mask(path)


def plate_carree(size: tuple[int, int]) -> Georeference:
    """Georeference a map (height, width) of the whole Earth: longitude and latitude of WGS 84, north up."""
    height, width = size
    return Georeference(
        {
            33550: (360 / width, 180 / height, 0.0),  # size of a pixel in degrees
            33922: (0.0, 0.0, 0.0, -180.0, 90.0, 0.0),  # the upper left corner
            # Four GeoKeys (GeoTIFF 1.1): geographic, pixels are areas, EPSG 4326, degrees.
            34735: (1, 1, 0, 4, 1024, 0, 1, 2, 1025, 0, 1, 1, 2048, 0, 1, 4326, 2054, 0, 1, 9102),
        }
    )


def _map_the_earth(out: Path, earth: BlueMarble, fitted: Fitted, console: Console) -> None:
    """Label the whole map, score its eastern half, and leave pictures, a report and what to type next."""
    labels = map_raster(Predictor(fitted.run.path), earth.image, out / "earth-labels.tif", console)
    east = np.s_[:, earth.mask.shape[1] // 2 :]
    scores = Scores.from_counts(
        count_labels(earth.mask[east], labels[east], EARTH_LABEL_SPACE), EARTH_LABEL_SPACE, images=1
    )
    evaluation = pixel_evaluation(scores, (), EARTH_LABEL_SPACE)
    print_evaluation(console, evaluation)

    with atomic_path(out / "earth-overlay.png") as beside:
        Image.fromarray(paint(earth.image, labels, EARTH_LABEL_SPACE)[::2, ::2]).save(beside, format="PNG")
    pictures = {
        "The whole Earth": np.s_[:, :],
        "Europe, never seen in training": EUROPE_WINDOW,
        "Great Lakes": GREAT_LAKES_WINDOW,
    }
    examples = [
        draw_pixels(name, earth.image[at], earth.mask[at], labels[at], EARTH_LABEL_SPACE, longest=1000)
        for name, at in pictures.items()
    ]
    write_report(
        out / "report.html",
        title="Sea, land and lakes",
        evaluation=evaluation,
        examples=examples,
        history=read_metrics(fitted.run),
        settings=fitted.settings.rows(),
        notes=("Learnt from the Americas, scored on the half of the Earth east of Greenwich.", LAKES_NOTE),
        commands=("pixelwise demo",),
    )
    write_json(fitted.run.scores_file, evaluation.to_dict())
    console.print(
        f"\nlabels:  {out / 'earth-labels.tif'} (GeoTIFF)\noverlay: {out / 'earth-overlay.png'}\n"
        f"report:  {out / 'report.html'}",
        highlight=False,
        markup=False,
    )
    console.print(
        "\nnow with your own pictures (images/ and masks/ of the same names):\n"
        "  pixelwise train    my-data --minutes 15 --out runs/first\n"
        "  pixelwise evaluate runs/first my-data --report runs/first-report\n"
        "  pixelwise predict  runs/first more-pictures/ --out labelled",
        highlight=False,
        markup=False,
    )
