"""What a server has at hand at the moment: requests that run, bytes that arrive, and whether it takes more."""

from __future__ import annotations

from dataclasses import dataclass

from pixelwise.serve.problems import Problem

HELD_BODIES = 16
"""Bodies of the greatest length that may arrive at the same time, or more of shorter ones."""

DRAINING_RETRY = 5.0
"""Seconds after which another server, or this one again, may be there."""


@dataclass
class Gate:
    """Counts for one server; used in the thread of its event loop only.

    Args:
        most_held: bytes of all bodies that arrive.
        draining: whether the server ends, and takes nothing new.
        active: requests that run.
        held: bytes that have arrived for them.
    """

    most_held: int
    draining: bool = False
    active: int = 0
    held: int = 0

    def check_open(self) -> None:
        """Let a request in.

        Raises:
            Problem: the server ends.
        """
        if self.draining:
            raise Problem(
                503,
                "the server ends and finishes what it has; ask another one, or this one when it is back",
                retry_after=DRAINING_RETRY,
                headers={"Connection": "close"},
            )

    def hold(self, count: int) -> None:
        """Take bytes of a body.

        Raises:
            Problem: all bodies together are too long.
        """
        self.held += count
        if self.held > self.most_held:
            raise Problem(
                503,
                f"max_bytes: requests that arrive hold more than {self.most_held:,} bytes together; try again later",
                argument="max_bytes",
                retry_after=1,
                headers={"Connection": "close"},
            )
