"""Names in UTF-8 for files whose names hold other bytes, for libraries that accept only UTF-8."""

from __future__ import annotations

import tempfile
from pathlib import Path


class TextName:
    """A name in UTF-8 under which a file is found, together with the files beside it that share its stem.

    A file whose name is not UTF-8 gets links in a temporary folder, which :meth:`close` removes.

    Args:
        path: the file.
    """

    def __init__(self, path: Path) -> None:
        self.path = path
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        if _text(str(path)) == str(path):
            return
        self._folder = tempfile.TemporaryDirectory(prefix="pixelwise-")
        links = Path(self._folder.name)
        for file in path.absolute().parent.glob("*"):
            rest = file.name.removeprefix(path.stem)
            if file.name.startswith(path.stem) and rest[:1] in ("", "."):
                link = links / f"file{_text(rest)}"
                if not link.exists():
                    link.symlink_to(file)
        self.path = links / f"file{_text(path.suffix)}"

    def close(self) -> None:
        """Remove the links."""
        if self._folder is not None:
            self._folder.cleanup()

    def __enter__(self) -> Path:
        return self.path

    def __exit__(self, *error: object) -> None:
        self.close()


def _text(name: str) -> str:
    """Leave out what is no UTF-8."""
    return name.encode(errors="ignore").decode()
