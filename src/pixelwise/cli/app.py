"""The ``pixelwise`` command: registers the verbs and turns errors into one message and exit status 2."""

from __future__ import annotations

import io
import os
import sys
from collections.abc import Sequence

import typer
from rich.console import Console
from rich.markup import escape

from pixelwise import __version__
from pixelwise.cli.compare import compare
from pixelwise.cli.demo import demo
from pixelwise.cli.doctor import doctor
from pixelwise.cli.evaluate import evaluate
from pixelwise.cli.export import export
from pixelwise.cli.import_ import import_
from pixelwise.cli.inputs import message_of
from pixelwise.cli.inspect import inspect
from pixelwise.cli.label import label
from pixelwise.cli.machine import keep_large_blocks, share_the_processor
from pixelwise.cli.models import models
from pixelwise.cli.predict import predict
from pixelwise.cli.serve import serve
from pixelwise.cli.train import train
from pixelwise.errors import TRAIN_PACKAGES, PixelwiseError, missing_package

app = typer.Typer(
    name="pixelwise",
    help="Every pixel its class. Point it at a folder of pictures and masks.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode="rich",
    epilog="Add --debug to any command to see the traceback of an error.",
)
for verb in (demo, doctor, train, evaluate, compare, predict, serve, label, export, models, inspect):
    app.command()(verb)
app.command("import")(import_)


@app.callback(invoke_without_command=True)
def _root(version: bool = typer.Option(False, "--version", help="Print the version and exit.")) -> None:
    escape_what_is_no_text()
    if version:
        print(__version__)
        raise typer.Exit


def main(arguments: Sequence[str] | None = None) -> None:
    """Run the command line; exits with 0, 2 on bad input, 130 on Ctrl-C."""
    given = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in given or bool(os.environ.get("PIXELWISE_DEBUG"))
    keep_large_blocks()
    share_the_processor()
    escape_what_is_no_text()
    try:
        app(args=[argument for argument in given if argument != "--debug"], prog_name="pixelwise")
    except PixelwiseError as error:
        if debug:
            raise
        report(message_of(error))
        sys.exit(2)
    except ModuleNotFoundError as error:
        if debug or error.name not in TRAIN_PACKAGES:
            raise
        report(missing_package(str(error.name)))
        sys.exit(2)
    except KeyboardInterrupt:
        if debug:
            raise
        print("\nstopped", file=sys.stderr)
        sys.exit(130)


def report(message: str) -> None:
    """Print the message of an error."""
    Console(stderr=True, soft_wrap=True).print(f"[bold red]error:[/] {escape(message)}", highlight=False)


def escape_what_is_no_text() -> None:
    """Print names of files that are no UTF-8, and characters that a terminal lacks, as escapes instead of failing."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="backslashreplace")
