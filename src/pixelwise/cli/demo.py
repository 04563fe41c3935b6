"""``pixelwise demo``: sea, land and lakes of the whole Earth, learnt from the Americas, offline and in minutes."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pixelwise.errors import SettingError
from pixelwise.io.outputs import make_folder


def demo(
    out: Annotated[Path, typer.Option(help="Folder for data, run, map and report.")] = Path("pixelwise-demo"),
) -> None:
    """See the whole of it work: learn sea, land and lakes from the Americas, then map the Earth.

    Takes about 3 minutes on two cores, needs no network and no GPU.
    """
    if out.is_dir() and any(out.iterdir()):
        raise SettingError(f"{out}: the folder is not empty; choose another with --out, or delete it")
    make_folder(out, "out")
    from pixelwise.cli.earth import learn_and_map  # imported here, so that help does not wait for torch

    learn_and_map(out, Console())
