"""The application: models, limits and addresses put together."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager

from fastapi import FastAPI

from pixelwise import __version__
from pixelwise.inference.predictor import Predictor
from pixelwise.serve import problems
from pixelwise.serve.guard import Guard
from pixelwise.serve.limits import Limits
from pixelwise.serve.page import mount_page
from pixelwise.serve.routes import router
from pixelwise.serve.service import Service
from pixelwise.serve.work import Workers


def create_app(models: Mapping[str, Predictor], limits: Limits | None = None) -> FastAPI:
    """Make the application that serves models.

    Args:
        models: the predictor of each model, by the name that it is served under.
        limits: what is taken; the defaults unless given.
    """
    limits = limits or Limits()
    service = Service(dict(models), limits, Workers(limits.queue))

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        yield
        service.workers.close()

    app = FastAPI(
        title="pixelwise",
        version=__version__,
        summary="Every pixel its class: send a picture, get what is in it.",
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = service
    app.include_router(router)
    mount_page(app)
    problems.install(app)
    app.add_middleware(Guard, max_bytes=limits.max_bytes)
    return app
