"""A crew of real processes."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import deadly
import pytest
from PIL import Image
from verbs import files

from pixelwise.bulk.job import BulkJob, Summary
from pixelwise.bulk.local import divide, local_engine
from pixelwise.bulk.request import Request
from pixelwise.errors import PixelwiseError
from pixelwise.inference.labelling.jobs import Options, collect
from pixelwise.listener import Silent


def test_processors_are_divided(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("os.sched_getaffinity", lambda process: {3, 5, 7, 9, 11}, raising=False)
    assert [sorted(place.processors) for place in divide("cpu", 2)] == [[3, 7, 11], [5, 9]]
    assert [sorted(place.processors) for place in divide("cpu", 6)] == [[3], [5], [7], [9], [11], [3]]


def label(model: Path, folder: Path, out: Path, prepare: Callable[[], None]) -> Summary:
    out.mkdir()
    request = Request((model,), Options(("labels", "pictures")))
    predictor = request.open()
    job = BulkJob(request.fixed(predictor), collect([str(folder)], out).jobs, out, predictor)
    return job.run(local_engine(job.request, out, Silent(), workers=1, prepare=prepare), Silent())


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "in").mkdir()
    for name in ("a", "b", "deadly", "z"):
        Image.new("RGB", (40, 30)).save(tmp_path / "in" / f"{name}.png")
    return tmp_path / "in"


@pytest.mark.slow  # four processes, one after the other
def test_a_picture_at_which_processes_die_is_named_and_the_others_are_labelled(
    model: Path, folder: Path, tmp_path: Path
) -> None:
    summary = label(model, folder, tmp_path / "out", deadly.die_at_some_pictures)
    assert list(summary.errors) == [2]
    assert "deadly.png: the worker that labelled it was killed by signal 9, twice" in str(summary.errors[2])
    assert files(tmp_path / "out") == ["a.png", "b.png", "pictures.parquet", "z.png"]


@pytest.mark.slow  # three processes, one after the other
def test_processes_that_never_get_ready_end_the_job(model: Path, folder: Path, tmp_path: Path) -> None:
    with pytest.raises(PixelwiseError, match="a worker ended with status 3 while it opened the model, 3 times"):
        label(model, folder, tmp_path / "out", deadly.die)
