"""Running the command line and looking at what it left, for the tests of all verbs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pixelwise.cli import main


def run(*arguments: object) -> int:
    """Run ``pixelwise`` with these arguments and give its exit status."""
    with pytest.raises(SystemExit) as stopped:
        main([str(argument) for argument in arguments])
    return int(stopped.value.code or 0)


def files(folder: Path) -> list[str]:
    """List the files below a folder, sorted."""
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file())
