"""Options of the verbs that open a server: where it listens, and who may use it."""

from __future__ import annotations

from typing import Annotated

import typer

Host = Annotated[str, typer.Option(help="Address to listen at; by default this machine alone reaches it.")]
Port = Annotated[int, typer.Option(help="Port to listen at; 0 takes a free one.", min=0, max=65535)]
Token = Annotated[
    str | None,
    typer.Option(
        envvar="PIXELWISE_TOKEN",
        show_envvar=True,
        help="Word that requests must bring; needed where other machines reach the server.",
    ),
]
Insecure = Annotated[
    bool, typer.Option("--insecure", help="Let other machines in without a token: anybody who reaches the port.")
]
Hostname = Annotated[
    list[str] | None, typer.Option(metavar="NAME", help="Name that the server is called by; may repeat.")
]
