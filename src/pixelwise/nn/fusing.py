"""Exchanging parts of a network for others that compute the same in fewer passes, for networks that only predict."""

from __future__ import annotations

from typing import Protocol, runtime_checkable

from torch import nn


@runtime_checkable
class Fusible(Protocol):
    """A part of a network that can be exchanged for one that computes the same in fewer passes."""

    def fuse(self) -> None:
        """Exchange what can be; the part can then no longer be trained or saved."""


def fuse_parts(network: nn.Module) -> None:
    """Fuse every part of a network that can be; in place.

    Args:
        network: whose encoder's maps are exact fractions of the picture.
    """
    for part in list(network.modules()):
        if isinstance(part, Fusible):
            part.fuse()
