"""``pixelwise demo``: sea, land and lakes of the whole Earth, learnt from the Americas, offline and in minutes."""

from __future__ import annotations

import shutil
import time
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console

from pixelwise.errors import SettingError

MINUTES = 2.3
"""For getting ready, training and its validations; mapping and the report come on top."""

# What this picture calls for beyond the plan: a map has one scale and one light, and knows no up or down for lakes.
MAP_SETTINGS: dict[str, Any] = {
    "crop": (384, 384),
    "scale": (0.8, 1.5),
    "vflip": True,
    "rotation": 180.0,
    "color": 0.15,
}

LAKES_NOTE = (
    "Lakes are the hard class here: a pixel of a lake looks like a pixel of the sea, and only what surrounds it, often "
    "hundreds of pixels away, tells them apart. A network can do that as far as its receptive field reaches. Lakes are "
    "also rare, 0.4% of the map, so half of the training crops were centred on rare classes. The Caspian, a third of "
    "all lake pixels, is as large as a sea and counts as a lake."
)


def demo(
    out: Annotated[Path, typer.Option(help="Folder for data, run, map and report.")] = Path("pixelwise-demo"),
) -> None:
    """See the whole of it work: learn sea, land and lakes from the Americas, then map the Earth.

    Takes about 4 minutes on two cores, needs no network and no GPU.
    """
    from pixelwise.data.blue_marble import LABELS, read_blue_marble, write_americas
    from pixelwise.data.source import open_data
    from pixelwise.training.fit import fit
    from pixelwise.training.run_folder import RunFolder

    started = time.monotonic()
    console = Console()
    if out.exists() and any(out.iterdir()):
        raise SettingError(f"{out}: the folder is not empty; choose another with --out, or delete it")
    earth = read_blue_marble()
    console.print(f"the Blue Marble, {earth.mask.shape[1]} x {earth.mask.shape[0]} pixels: sea, land and lakes")
    try:
        write_americas(earth, out / "data")
        source = open_data(out / "data", label_space=LABELS)
        fitted = fit(
            source, RunFolder(out / "run"), fixed=MAP_SETTINGS, minutes=MINUTES, started=started, console=console
        )
    except BaseException:
        if not (out / "run" / "settings.yaml").exists():  # nothing was learnt yet: leave nothing half-made
            shutil.rmtree(out, ignore_errors=True)
        raise
    if fitted.finished:
        _map_the_earth(out, earth, fitted, console)
