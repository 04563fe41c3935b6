"""A server that is killed in the middle of strokes has lost none that it acknowledged."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import Any

import httpx
import numpy as np

from pixelwise.io.masks import read_mask
from pixelwise.labelling.journal import Journal
from pixelwise.labelling.project import Project

from .conftest import stroke


class LabelServer:
    """A running ``pixelwise label``."""

    def __init__(self, data: Path, out: Path, *, port: int = 0) -> None:
        command = [sys.executable, "-m", "pixelwise", "label", str(data), "--classes", "ground,tree"]
        self.process = subprocess.Popen(
            [*command, "--out", str(out), "--port", str(port)],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )
        assert self.process.stdout is not None
        said = []
        for line in self.process.stdout:
            said.append(line)
            if found := re.search(r"label at (http://127\.0\.0\.1:(\d+))", line):
                self.url, self.port = found[1], int(found[2])
                break
        else:
            raise AssertionError("".join(said))

    def end(self, sign: signal.Signals) -> None:
        self.process.send_signal(sign)
        self.process.communicate(timeout=60)


def paint_until_it_ends(url: str, picture: str, first: int, acknowledged: list[dict[str, Any]]) -> None:
    rng = np.random.default_rng(first)
    with httpx.Client(base_url=url, timeout=30) as client:
        for number in range(first, first + 10_000):
            points = rng.uniform(0, 80, 2 * int(rng.integers(1, 30))).round(2).tolist()
            action = stroke(number, int(rng.integers(0, 2)), *points)
            if number % 7 == 3:
                action = {"kind": "undo", "id": f"{number}"}
            try:
                answer = client.post(f"/v1/label/pictures/{picture}/actions", json={"actions": [action]})
            except httpx.TransportError:
                return
            assert answer.status_code == 200
            acknowledged.append(action)


def test_what_was_acknowledged_survives_kill(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "out"
    acknowledged: dict[str, list[dict[str, Any]]] = {}
    for round_ in range(3):
        server = LabelServer(data, out)
        pictures = [one["id"] for one in httpx.get(f"{server.url}/v1/label").json()["pictures"]][:2]
        threads = [
            threading.Thread(
                target=paint_until_it_ends,
                args=(server.url, picture, 10_000 * (1 + round_), acknowledged.setdefault(picture, [])),
            )
            for picture in pictures
        ]
        for thread in threads:
            thread.start()
        time.sleep(0.5 + 0.17 * round_)
        server.end(signal.SIGKILL)
        for thread in threads:
            thread.join()
    assert all(len(actions) > 10 for actions in acknowledged.values())
    project = Project(data, out)
    for picture, actions in acknowledged.items():
        known = project.pictures[picture]
        about = {"picture": known.name, "size": list(known.size)}
        kept = [entry["id"] for entry in Journal(project.journal_of(known), about).entries]
        sent = [action["id"] for action in actions]
        assert [name for name in kept if name in set(sent)] == sent
        assert len(kept) - len(sent) <= 3  # on the disk, but killed before the answer
    project.close()
    server = LabelServer(data, out)  # writes the masks that were left behind
    painted = {}
    for picture in acknowledged:
        answer = httpx.get(f"{server.url}/v1/label/pictures/{picture}/labels")
        painted[picture] = np.frombuffer(answer.content, np.uint8).reshape(60, 80)
    server.end(signal.SIGTERM)
    assert server.process.returncode == 0
    for picture, labels in painted.items():
        mask = read_mask(project.labelled.mask_of(project.pictures[picture]))
        assert np.array_equal(mask, labels)
        assert (labels != 255).any()
