"""A server in this process with a small network, and pictures to send to it."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
import torch
from fastapi import FastAPI
from PIL import Image

from pixelwise.inference import Predictor
from pixelwise.models import build_model, save_model
from pixelwise.serve import Limits, create_app
from pixelwise.types import LabelSpace

HOST = "http://127.0.0.1:8000"


def drawn(height: int = 33, width: int = 50, seed: int = 0) -> Image.Image:
    """A smooth picture, so that JPEG keeps it and labels form regions."""
    coarse = np.random.default_rng(seed).integers(0, 256, (4, 4, 3), dtype=np.uint8)
    return Image.fromarray(coarse).resize((width, height), Image.Resampling.BICUBIC)


def encoded(picture: Image.Image, kind: str = "PNG") -> bytes:
    """The bytes of a file of a picture."""
    stream = io.BytesIO()
    picture.save(stream, kind)
    return stream.getvalue()


@pytest.fixture(scope="session")
def served_run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A run folder with an untrained network all of whose classes win somewhere."""
    torch.manual_seed(0)
    classes = LabelSpace(("dark", "middle", "bright"), colors=((20, 20, 90), (90, 160, 60), (250, 220, 80)))
    model = build_model("unet", classes=classes, encoder="resnet10t").eval()
    picture = torch.from_numpy(np.array(drawn(64, 64))).permute(2, 0, 1)[None] / 64 - 2  # (1, 3, H, W)
    head = model.get_submodule("network.head")
    with torch.inference_mode():
        scores = model(picture)[0]  # (K, H, W)
        head.weight /= scores.std((1, 2))[:, None, None, None]
        head.bias.copy_((head.bias - scores.mean((1, 2))) / scores.std((1, 2)))
    run = tmp_path_factory.mktemp("served") / "first"
    run.mkdir()
    save_model(model, run / "model.safetensors")
    return run


@pytest.fixture(scope="session")
def predictor(served_run: Path) -> Predictor:
    return Predictor(served_run)


@pytest.fixture
def app(predictor: Predictor) -> FastAPI:
    return create_app({"first": predictor}, Limits())


class Caller:
    """Sends requests to an application without a socket."""

    def __init__(self, app: FastAPI) -> None:
        self.app = app

    def talk(self, conversation: Callable[[httpx.AsyncClient], Coroutine[Any, Any, Any]]) -> Any:
        """Run a conversation of several requests."""

        async def talk() -> Any:
            transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
            async with httpx.AsyncClient(transport=transport, base_url=HOST) as client:
                return await conversation(client)

        return asyncio.run(talk())

    def get(self, path: str, **more: Any) -> httpx.Response:
        return self.talk(lambda client: client.get(path, **more))

    def post(self, path: str, **more: Any) -> httpx.Response:
        return self.talk(lambda client: client.post(path, **more))

    def predict(
        self, body: bytes, *, model: str = "first", headers: dict[str, str] | None = None, **query: Any
    ) -> httpx.Response:
        return self.post(f"/v1/models/{model}/predict", content=body, params=query, headers=headers)


@pytest.fixture
def call(app: FastAPI) -> Caller:
    return Caller(app)


def problem_of(response: httpx.Response, status: int, argument: str | None) -> str:
    """Check that an answer is a problem as RFC 9457 describes it, and give its detail."""
    assert response.status_code == status, response.text
    assert response.headers["content-type"] == "application/problem+json"
    problem = response.json()
    assert problem["status"] == status
    assert problem["type"] == "about:blank"
    assert problem["title"]
    assert problem.get("argument") == argument
    return str(problem["detail"])
