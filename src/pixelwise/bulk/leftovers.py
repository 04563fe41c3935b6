"""Removing what processes had half written when they were killed."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

from pixelwise.inference.labelling.jobs import Job
from pixelwise.inference.labelling.object_lists import ObjectLists
from pixelwise.inference.labelling.outputs import results_of
from pixelwise.io.atomic import STEM_CHARACTERS, TEMPORARY_NAME


def remove_leftovers(out: Path, jobs: Iterable[Job]) -> None:
    """Remove the temporary files of results that nobody is writing any longer.

    Args:
        out: the output folder.
        jobs: the pictures that they are results of; temporary files of other results stay.
    """
    lists = ObjectLists(out, ())
    known: dict[Path, set[tuple[str, str]]] = {}
    for job in jobs:
        for result in (*results_of(out / job.name), lists.path_of(job)):
            known.setdefault(result.parent, set()).add((result.stem[:STEM_CHARACTERS], result.suffix))
    for folder, results in known.items():
        with suppress(OSError):
            for path in folder.iterdir():
                match = TEMPORARY_NAME.fullmatch(path.name)
                if match is not None and (match["stem"], match["suffix"]) in results:
                    path.unlink(missing_ok=True)
