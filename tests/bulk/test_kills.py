"""Whatever is killed, the same command goes on, and the files are those of a job that was not disturbed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psutil
import pytest
from bulk import contents, table
from verbs import files

from pixelwise.ops.native import threads

SAVE = "labels,coco,table,pictures"
SECONDS = 300


class Command:
    """``pixelwise predict`` in a process of its own, with its workers."""

    def __init__(self, model: Path, photos: Path, out: Path) -> None:
        self.out = out
        command = [sys.executable, "-m", "pixelwise", "predict", model, photos, "--out", out, "--save", SAVE]
        self.process = subprocess.Popen(
            [*map(str, command), "--engine", "local", "--workers", "2"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env=os.environ | {"OMP_NUM_THREADS": str(threads())},  # on which sums of floats depend
        )

    def workers(self) -> list[psutil.Process]:
        found = psutil.Process(self.process.pid).children()
        return [child for child in found if "spawn_main" in " ".join(child.cmdline())]

    def finished(self) -> int:
        """How many pictures the record holds."""
        records = list(self.out.glob(".pixelwise-predict.jsonl"))
        return records[0].read_bytes().count(b"\n") - 1 if records else 0

    def wait_for(self, finished: int) -> bool:
        """Wait until so many pictures are finished and a worker is there; False if the command ends before."""
        until = time.monotonic() + SECONDS
        while time.monotonic() < until:
            if self.process.poll() is not None:
                return False
            if self.finished() >= finished and self.workers():
                return True
            time.sleep(0.05)
        raise AssertionError("it takes too long")

    def kill(self) -> None:
        """Kill the command alone, as -9 does."""
        workers = self.workers()
        self.process.kill()
        self.process.wait()
        assert not psutil.wait_procs(workers, timeout=20)[1], "workers end with the command"

    def end(self) -> tuple[int, str]:
        printed, _ = self.process.communicate(timeout=SECONDS)
        return self.process.returncode, printed


@pytest.fixture
def start(model: Path, photos: Path, tmp_path: Path) -> Iterator[Callable[[], Command]]:
    """Starts the command; whatever still runs at the end is killed."""
    started: list[Command] = []

    def begin() -> Command:
        started.append(Command(model, photos, tmp_path / "out"))
        return started[-1]

    yield begin
    for command in started:
        command.process.kill()
        command.process.wait()
        assert command.process.stdout is not None
        command.process.stdout.close()


def kill_now_and_then(start: Callable[[], Command], kills: int, every: int) -> tuple[int, str, int]:
    """Kill a worker and the command in turn whenever some pictures more are finished, and start the command again."""
    command, killed = start(), 0
    while killed < kills and command.wait_for(command.finished() + every):
        killed += 1
        if killed % 2:
            command.workers()[-1].kill()
        else:
            command.kill()
            command = start()
    return (*command.end(), killed)


@pytest.mark.parametrize(
    ("kills", "every"), [(2, 30), pytest.param(20, 8, marks=pytest.mark.slow)], ids=["two", "twenty"]
)
def test_kills_change_nothing(
    start: Callable[[], Command], by_loop: Path, tmp_path: Path, kills: int, every: int
) -> None:
    status, printed, killed = kill_now_and_then(start, kills, every)
    assert killed == kills
    assert status == 2
    assert "finished before" in printed
    out = tmp_path / "out"
    assert contents(out) == contents(by_loop)
    assert table(out) == table(by_loop)


def test_interrupting_stops_all_and_leaves_nothing_half_written(start: Callable[[], Command], tmp_path: Path) -> None:
    command = start()
    assert command.wait_for(1)
    workers = command.workers()
    assert len(workers) == 2
    for worker in workers:
        worker.suspend()  # so that the job does not end before it is interrupted, however busy the machine is
    command.process.send_signal(signal.SIGINT)
    time.sleep(0.5)
    for worker in workers:
        worker.resume()
    status, printed = command.end()
    assert status == 130
    assert "Traceback" not in printed
    assert not psutil.wait_procs(workers, timeout=20)[1]
    left = [name for name in files(tmp_path / "out") if Path(name).name.startswith(".")]
    assert left == [".pixelwise-predict.jsonl"]
