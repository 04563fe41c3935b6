"""Requests a second and latencies of ``pixelwise serve`` beside a plain FastAPI and torch handler.

    python benchmarks/serve.py MODEL EXPORTED [--pictures DIR] [--seconds 20] [--clients 1,4,16,64] [--out FILE]

MODEL is a run folder, EXPORTED the file that ``pixelwise export`` made of it. The load comes from wrk (a package of
Debian), which runs on the same machine and takes a part of its processor. It keeps as many connections busy as there
are clients, and holds every answer against the one that the model gives offline (``benchmarks/serve.lua``). Pictures
are JPEG of 480x360 pixels in forms. Servers run one after the other, each alone, and are warmed up.
"""

from __future__ import annotations

import argparse
import io
import json
import os
import platform
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import httpx
import numpy as np
from PIL import Image

from pixelwise.inference import Predictor
from pixelwise.inference.runtimes.catalogue import EXPORTED_SUFFIXES
from pixelwise.io.masks import save_labels

HERE = Path(__file__).parent
SIZE = (480, 360)
"""Width and height of the pictures."""
PICTURES = 8
WARM_UP = 8
"""Requests before the clock starts."""
BOUNDARY = "pixelwise-benchmark"


@dataclass(frozen=True)
class Load:
    """What a number of clients got from a server."""

    server: str
    clients: int
    right: int
    wrong: int
    busy: int
    lost: int
    seconds: float
    p50: float
    p95: float
    p99: float


def pictures(folder: Path | None) -> list[bytes]:
    """Give JPEGs of the size: of a folder, or drawn."""
    if folder is not None:
        files = sorted(path for path in folder.rglob("*") if path.suffix.lower() in (".png", ".jpg", ".jpeg"))
        if len(files) < PICTURES:
            raise SystemExit(f"{folder}: holds fewer than {PICTURES} pictures")
        images = [Image.open(path).convert("RGB").resize(SIZE) for path in files[:: len(files) // PICTURES][:PICTURES]]
    else:
        drawn = [np.random.default_rng(seed).integers(0, 256, (12, 16, 3), dtype=np.uint8) for seed in range(PICTURES)]
        images = [Image.fromarray(coarse).resize(SIZE, Image.Resampling.BICUBIC) for coarse in drawn]
    bodies = []
    for image in images:
        stream = io.BytesIO()
        image.save(stream, "JPEG", quality=90)
        bodies.append(stream.getvalue())
    return bodies


def offline(predictor: Predictor, bodies: list[bytes]) -> list[bytes]:
    """Give the index PNGs that the model gives without a server."""
    answers = []
    for body in bodies:
        stream = io.BytesIO()
        save_labels(stream, predictor(Image.open(io.BytesIO(body))).labels, predictor.label_space)
        answers.append(stream.getvalue())
    return answers


def as_form(body: bytes) -> bytes:
    head = f'--{BOUNDARY}\r\nContent-Disposition: form-data; name="file"; filename="a.jpg"\r\n\r\n'
    return head.encode() + body + f"\r\n--{BOUNDARY}--\r\n".encode()


@contextmanager
def running(command: list[str], url: str, environment: dict[str, str]) -> Iterator[None]:
    """Start a server, wait until it answers, and end it."""
    process = subprocess.Popen(command, env={**os.environ, **environment}, stdout=subprocess.DEVNULL)
    try:
        for _ in range(600):
            try:
                httpx.get(url)
                break
            except httpx.HTTPError:
                if process.poll() is not None:
                    raise SystemExit(f"{command[0]} ended with {process.returncode}") from None
                time.sleep(0.1)
        yield
    finally:
        process.terminate()
        process.wait(60)


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as opened:
        return int(opened.getsockname()[1])


@dataclass(frozen=True)
class Work:
    """What is sent to a server, and what comes back."""

    server: str
    url: str
    kind: str
    bodies: list[bytes]
    answers: list[bytes]


def load(work: Work, clients: int, seconds: int) -> Load:
    """Let clients send pictures for some seconds."""
    with tempfile.TemporaryDirectory() as folder:
        for number, (body, answer) in enumerate(zip(work.bodies, work.answers, strict=True)):
            Path(folder, f"{number}.body").write_bytes(body)
            Path(folder, f"{number}.answer").write_bytes(answer)
        command = ["wrk", "-t1", f"-c{clients}", f"-d{seconds}s", "--timeout", "120s", "-s", str(HERE / "serve.lua")]
        printed = subprocess.run(
            [*command, work.url, "--", folder, str(len(work.bodies)), work.kind],
            capture_output=True,
            text=True,
            check=True,
        ).stdout
    found = re.search(r"RESULT (\{.*\})", printed)
    assert found, printed
    result = Load(work.server, clients, **json.loads(found[1]))
    print(row(result), flush=True)
    return result


def ask(url: str, kind: str, bodies: list[bytes]) -> list[bytes]:
    """Send each picture once."""
    return [httpx.post(url, content=body, headers={"Content-Type": kind}, timeout=120).content for body in bodies]


def row(one: Load) -> str:
    return (
        f"| {one.server} | {one.clients} | {one.right / one.seconds:.1f} | {one.p50:.0f} | {one.p95:.0f} "
        f"| {one.p99:.0f} | {one.busy} | {one.lost} | {one.wrong} |"
    )


def same_share(answers: list[bytes], others: list[bytes]) -> float:
    """Give the share of pixels with the same label."""
    pairs = [[np.asarray(Image.open(io.BytesIO(one))) for one in pair] for pair in zip(answers, others, strict=True)]
    return float(np.mean([(ours == theirs).mean() for ours, theirs in pairs]))


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("model", type=Path)
    parser.add_argument("exported", type=Path)
    parser.add_argument("--pictures", type=Path)
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--clients", default="1,4,16,64")
    parser.add_argument("--out", type=Path)
    given = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is not installed; Debian's package of that name brings it")
    if given.exported.suffix not in EXPORTED_SUFFIXES:
        raise SystemExit(f"{given.exported}: expected an exported file ({' or '.join(EXPORTED_SUFFIXES)})")
    bodies = pictures(given.pictures)
    answers = offline(Predictor(given.exported), bodies)
    counts = [int(word) for word in given.clients.split(",")]
    results = []
    forms, kind = [as_form(body) for body in bodies], f"multipart/form-data; boundary={BOUNDARY}"

    port = free_port()
    url = f"http://127.0.0.1:{port}/v1/models/served/predict?output=labels"
    command = [sys.executable, "-m", "pixelwise", "serve", f"served={given.exported}", "--port", str(port)]
    with running(command, f"http://127.0.0.1:{port}/readyz", {}):
        for _ in range(WARM_UP // len(bodies) or 1):
            if ask(url, kind, forms) != answers:
                raise SystemExit("the server's answers are not those that the model gives offline")
        work = Work("pixelwise serve", url, kind, forms, answers)
        results += [load(work, count, given.seconds) for count in counts]

    port = free_port()
    url = f"http://127.0.0.1:{port}/predict"
    command = [sys.executable, "-m", "uvicorn", "--app-dir", str(HERE), "serve_plain:app", "--port", str(port)]
    command += ["--log-level", "error"]
    with running(command, f"http://127.0.0.1:{port}/", {"PIXELWISE_MODEL": str(given.model)}):
        theirs = ask(url, kind, forms)
        work = Work("FastAPI and torch", url, kind, forms, theirs)
        results += [load(work, count, given.seconds) for count in counts]

    machine = f"{os.cpu_count()} processors ({platform.processor() or platform.machine()}), shared with wrk"
    said = f"{SIZE[0]}x{SIZE[1]} JPEG, {given.seconds} seconds a row"
    same = f"{same_share(answers, theirs):.4%} of the pixels have the same label with both"
    text = "\n".join(
        [
            f"`python benchmarks/serve.py` on {date.today()}: {machine}; {said}. {same}.",
            "",
            "| server | clients | right answers a second | p50 ms | p95 ms | p99 ms | 503 | lost | wrong |",
            "| --- | --- | --- | --- | --- | --- | --- | --- | --- |",
            *map(row, results),
            "",
        ]
    )
    print(f"\n{text}")
    if given.out is not None:
        given.out.write_text(text)


if __name__ == "__main__":
    main()
