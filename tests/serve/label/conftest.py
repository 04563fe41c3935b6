"""A folder of pictures, and a server that labels it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from serving import drawn_file

from pixelwise.labelling.project import Project
from pixelwise.serve import Access
from pixelwise.serve.label.app import create_label_app

from ..conftest import Caller

TOKEN = "correct horse"


@pytest.fixture
def data(tmp_path: Path) -> Path:
    (tmp_path / "pictures").mkdir()
    for number in range(3):
        drawn_file(tmp_path / "pictures" / f"{number}.png", 60, 80, number)
    return tmp_path / "pictures"


@pytest.fixture
def project(data: Path, tmp_path: Path) -> Iterator[Project]:
    opened = Project(data, tmp_path / "out", classes=["ground", "tree"])
    yield opened
    opened.close()


@pytest.fixture
def call(project: Project) -> Caller:
    return Caller(create_label_app(project))


@pytest.fixture
def guarded(project: Project) -> Caller:
    return Caller(create_label_app(project, Access(TOKEN)))


def stroke(number: int, value: int | None, *points: float, width: float = 9) -> dict[str, Any]:
    """An action as the page sends it."""
    name = f"{number}"
    return {"kind": "stroke", "id": name, "stroke": name, "value": value, "width": width, "points": list(points)}
