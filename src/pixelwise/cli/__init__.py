"""The command line: one file a verb, joined here."""

from pixelwise.cli.app import main

__all__ = ["main"]
