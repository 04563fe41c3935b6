"""``pixelwise label``: label pictures in the browser."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pixelwise.cli.inputs import split_words
from pixelwise.cli.listening import DEFAULT_PORT, access_for, address_of, without_server
from pixelwise.cli.machine import open_many_files
from pixelwise.cli.predict import find_models
from pixelwise.cli.server_options import Host, Hostname, Insecure, Port, Token
from pixelwise.errors import DataError
from pixelwise.words import listed


def label(
    data: Annotated[Path, typer.Argument(metavar="DATA", help="Folder of pictures, which is only read.")],
    model: Annotated[
        str | None,
        typer.Option(metavar="MODEL", help="Trained model that proposes labels; pictures it doubts come first."),
    ] = None,
    classes: Annotated[
        str | None,
        typer.Option(metavar="A,B,C", help="Names of the classes; those used before, or of the masks in DATA."),
    ] = None,
    out: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of the data set that is written; DATA-labelled by default."),
    ] = None,
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    token: Token = None,
    insecure: Insecure = False,
    hostname: Hostname = None,
) -> None:
    """Label the pictures of a folder in the browser.

    Every stroke is kept at once, and masks are written as a data set that train reads. DATA itself is never changed.
    """
    if not data.is_dir():
        raise DataError(f"{data}: there is no such folder; give a folder of pictures")
    try:
        from pixelwise.serve.label.app import create_label_app
        from pixelwise.serve.running import listen, run
    except ImportError as error:
        raise without_server(error) from None
    from pixelwise.labelling.classes import told
    from pixelwise.labelling.model import ModelProposals
    from pixelwise.labelling.pictures import describe
    from pixelwise.labelling.project import Project
    from pixelwise.serve.limits import Limits

    predictor = None
    if model is not None:
        from pixelwise.inference import Predictor

        predictor = Predictor(find_models(model))
    limits = Limits()
    access = access_for(host, token=token, insecure=insecure, hostname=hostname or ())
    open_many_files()
    console = Console(soft_wrap=True)
    with listen(host, port) as opened:
        folder = data.resolve()
        written = out or folder.with_name(f"{folder.name}-labelled")
        names = None if classes is None else split_words(classes)
        project = Project(
            data, written, classes=names, model_space=None if predictor is None else predictor.label_space
        )
        proposing = None if predictor is None else ModelProposals(predictor, project.space)
        remarks = [*project.remarks]
        if proposing is not None and proposing.unknown:
            remarks.append(f"classes of the model that are not labelled: {listed(proposing.unknown)}")
        for line in (*remarks, describe(list(project.pictures.values())), told(project.space)):
            console.print(line, highlight=False, markup=False)
        console.print(f"masks are written to {written}", highlight=False, markup=False)
        address = address_of(host, opened.getsockname()[1])
        console.print(f"label at {address}", highlight=False, markup=False)
        run(create_label_app(project, access, limits, model=proposing), opened, timeout=limits.timeout)
