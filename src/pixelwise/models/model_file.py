"""Where the model file of a run lies; without torch."""

from __future__ import annotations

from pathlib import Path

from pixelwise.errors import ModelError

MODEL_FILE = "model.safetensors"
"""Name of the model file in a run folder."""


def find_model_file(path: str | Path) -> Path:
    """Return the model file that a path means: the file itself, or the one inside a run folder.

    Raises:
        ModelError: there is no such file.
    """
    path = Path(path)
    if path.is_dir():
        file = path / MODEL_FILE
        if not file.is_file():
            raise ModelError(f"{path}: the folder holds no {MODEL_FILE}; give a run folder that has trained, or a file")
        return file
    if not path.is_file():
        raise ModelError(f"{path}: there is no such model file or run folder")
    return path
