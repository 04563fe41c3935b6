"""Choosing the engine that runs an exported file fastest on this machine, by trying them once."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pixelwise.errors import ModelError
from pixelwise.inference.runtimes.exported.engines import Engine, describe_machine
from pixelwise.io.file_cache import FileCache

TRIALS = 3
"""The best of so many runs counts; one before them warms the engine up."""


@dataclass(frozen=True)
class Choice:
    """The engine that was chosen, and why.

    Args:
        engine: the fastest.
        seconds: what one tile took with each engine that was tried, by its name.
        side: the side in pixels of the tile.
    """

    engine: Engine
    seconds: Mapping[str, float]
    side: int

    def __str__(self) -> str:
        others = [f"{name} {1000 * taken:.0f} ms" for name, taken in self.seconds.items() if name != str(self.engine)]
        if not others:
            return f"{self.engine}, the only one here"
        taken = 1000 * self.seconds[str(self.engine)]
        return f"{self.engine}, the fastest on this machine: {taken:.0f} ms for {self.side}x{self.side} pixels " + (
            f"({', '.join(others)})"
        )


def choose_engine(
    engines: Sequence[Engine], digest: str, side: int, prepare: Callable[[Engine], Callable[[], Any]]
) -> Choice:
    """Choose the fastest engine; the choice is kept in the user's cache folder for this file and machine.

    Args:
        engines: those to choose from, at least one. An engine that refuses the file is passed over while others do not.
        digest: identifies the file.
        side: the side in pixels of the tile that is computed.
        prepare: opens the file with an engine, and gives a function that computes the tile.

    Raises:
        ModelError: every engine refuses the file; the reason is that of the last.
    """
    if len(engines) == 1:
        return Choice(engines[0], {}, side)
    known = {str(engine): engine for engine in engines}
    described = json.dumps([digest, side, sorted(known), describe_machine()])
    key = "engine " + hashlib.sha256(described.encode()).hexdigest()
    with FileCache() as cache:
        kept = cache.find([key]).get(key)
        if kept is not None:
            seconds: dict[str, float] = json.loads(kept)
        else:
            seconds = _try(engines, prepare)
            cache.keep({key: json.dumps(seconds).encode()})
    return Choice(known[min(seconds, key=seconds.__getitem__)], seconds, side)


def _try(engines: Sequence[Engine], prepare: Callable[[Engine], Callable[[], Any]]) -> dict[str, float]:
    """Time each engine: its name -> seconds."""
    seconds: dict[str, float] = {}
    refused: ModelError | None = None
    for engine in engines:
        try:
            compute = prepare(engine)
            compute()
            seconds[str(engine)] = min(_time(compute) for _ in range(TRIALS))
        except ModelError as error:
            refused = error
    if not seconds:
        assert refused is not None
        raise refused
    return seconds


def _time(compute: Callable[[], Any]) -> float:
    started = time.perf_counter()
    compute()
    return time.perf_counter() - started
