"""The command line: one file per verb, joined here."""

from pixelwise.cli.app import main

__all__ = ["main"]
