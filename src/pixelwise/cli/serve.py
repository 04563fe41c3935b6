"""``pixelwise serve``: label pictures over HTTP."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from pixelwise.cli.listening import DEFAULT_PORT, access_for, address_of, without_server
from pixelwise.cli.machine import open_many_files, use_huge_pages
from pixelwise.cli.predict import find_models
from pixelwise.cli.server_options import Host, Hostname, Insecure, Port, Token
from pixelwise.errors import SettingError


def serve(
    models: Annotated[
        list[str],
        typer.Argument(
            metavar="[NAME=]MODEL...",
            help="Run folders, .safetensors or exported files, each under its own name or NAME.",
            show_default=False,
        ),
    ],
    host: Host = "127.0.0.1",
    port: Port = DEFAULT_PORT,
    token: Token = None,
    insecure: Insecure = False,
    cors: Annotated[
        list[str] | None, typer.Option(metavar="ORIGIN", help="Origin whose pages may use the server; may repeat.")
    ] = None,
    hostname: Hostname = None,
    max_bytes: Annotated[int, typer.Option(help="Bytes of a request, counted while they arrive.")] = 64 * 2**20,
    max_pixels: Annotated[int, typer.Option(help="Pixels of a picture, by its header.")] = 2**26,
    timeout: Annotated[float, typer.Option(help="Seconds for a request, its arrival included.")] = 120,
    queue: Annotated[int, typer.Option(metavar="PIXELS", help="Pixels of all pictures that wait.")] = 2**28,
    max_files: Annotated[int, typer.Option(help="Pictures of a batch.")] = 1000,
    max_unpacked: Annotated[int, typer.Option(help="Bytes that a zip file unpacks to.")] = 2**30,
    job_bytes: Annotated[int, typer.Option(help="Bytes of a picture that is sent as a job.")] = 2**32,
    max_jobs: Annotated[int, typer.Option(help="Jobs that wait or run.")] = 16,
    state: Annotated[
        Path | None,
        typer.Option(metavar="DIR", help="Folder of jobs, which then go on after a restart.", show_default=False),
    ] = None,
    runtime: Annotated[str, typer.Option(help="auto, torch, or onnx or openvino for exported files.")] = "auto",
    device: Annotated[str, typer.Option(help="auto, cpu, cuda, cuda:1 or mps.")] = "auto",
) -> None:
    """Label pictures over HTTP, and show a page for it.

    The models are listed at /v1/models; POST a picture to /v1/models/NAME/predict. /openapi.json describes the rest.
    """
    named = name_models(models)
    try:
        from pixelwise.serve import Limits, create_app
        from pixelwise.serve.running import listen, run
    except ImportError as error:
        raise without_server(error) from None
    limits = Limits(
        max_bytes=max_bytes,
        max_pixels=max_pixels,
        timeout=timeout,
        queue=queue,
        max_files=max_files,
        max_unpacked=max_unpacked,
        job_bytes=job_bytes,
        max_jobs=max_jobs,
    )
    access = access_for(host, token=token, insecure=insecure, hostname=hostname or (), cors=cors or ())
    use_huge_pages()
    open_many_files()
    from pixelwise.inference import Predictor

    with listen(host, port) as opened:  # before models are opened, which takes longer than to see that it is taken
        predictors = {
            name: Predictor(find_models(model), runtime=runtime, device=device) for name, model in named.items()
        }
        app = create_app(predictors, limits, access, state=state)
        address = address_of(host, opened.getsockname()[1])
        Console(soft_wrap=True).print(f"serving {', '.join(named)} at {address}", highlight=False, markup=False)
        run(app, opened, timeout=timeout)


def name_models(given: list[str]) -> dict[str, str]:
    """Find the name that each model is served under: NAME of ``NAME=MODEL``, else the stem of its folder or file.

    Raises:
        SettingError: a name cannot be part of an address, or two are equal.
    """
    named: dict[str, str] = {}
    for text in given:
        name, separator, model = text.partition("=")
        if not separator or Path(text).exists():
            path = Path(find_models(text)[0])
            name, model = path.resolve().name if path.is_dir() else path.stem, text
        if not name or "/" in name or not name.isprintable() or not model:
            raise SettingError(f"{text}: '{name}' cannot be a name; give NAME=MODEL with a name without slashes")
        if name in named:
            raise SettingError(
                f"{named[name]} and {model} would both be served as '{name}'; name one of them: NAME=MODEL"
            )
        named[name] = model
    return named
