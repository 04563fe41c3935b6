"""Labels that were proposed for pictures: in memory, and on the disk once they are accepted."""

from __future__ import annotations

import hashlib
import zlib
from collections import OrderedDict
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import DataError, SettingError
from pixelwise.instances import Size
from pixelwise.io.atomic import atomic_path

MOST_REMEMBERED = 4
"""Proposals that can be accepted; a newer one for each picture that is open is enough."""


class Proposals:
    """The proposals of a folder.

    Args:
        folder: where accepted ones are kept, beside the journals.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._fresh: OrderedDict[str, bytes] = OrderedDict()

    def remember(self, labels: NDArray[np.uint8]) -> str:
        """Name a proposal (H, W), so that it can be accepted."""
        content = np.ascontiguousarray(labels).tobytes()
        name = hashlib.blake2b(content, digest_size=16).hexdigest()
        self._fresh[name] = content
        self._fresh.move_to_end(name)
        while len(self._fresh) > MOST_REMEMBERED:
            self._fresh.popitem(last=False)
        return name

    def keep(self, name: str, size: Size) -> None:
        """Bring a proposal for a picture of a size to the disk.

        Raises:
            SettingError: it is neither remembered nor kept, or is for a picture of another size.
            PixelwiseError: it cannot be written.
        """
        if self._file(name).is_file():
            self.read(name, size)
            return
        if name not in self._fresh or len(self._fresh[name]) != size[0] * size[1]:
            raise SettingError("the proposal is no longer known; ask for a new one", argument="actions")
        with atomic_path(self._file(name)) as beside:
            beside.write_bytes(zlib.compress(self._fresh[name], 6))

    def read(self, name: str, size: Size) -> NDArray[np.uint8]:
        """Read a proposal that was kept.

        Raises:
            DataError: its file is missing or damaged.
        """
        path = self._file(name)
        try:
            content = zlib.decompress(path.read_bytes())
        except (OSError, zlib.error) as error:
            raise DataError(
                f"{path}: labels that were accepted cannot be read ({error}); bring the file back"
            ) from error
        if hashlib.blake2b(content, digest_size=16).hexdigest() != name or len(content) != size[0] * size[1]:
            raise DataError(f"{path}: it does not hold the labels that were accepted; bring the file back from a copy")
        return np.frombuffer(content, np.uint8).reshape(size)

    def _file(self, name: str) -> Path:
        return self._folder / f"{name}.labels"
