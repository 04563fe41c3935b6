"""The application that a folder is labelled with."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI

from pixelwise import __version__
from pixelwise.inference.predictor import Predictor
from pixelwise.labelling.model import Doubts, ModelProposals
from pixelwise.labelling.project import Project
from pixelwise.labelling.saving import Saver
from pixelwise.labelling.scribbles.proposer import Proposer
from pixelwise.labelling.training import Command, Training
from pixelwise.serve import health, problems
from pixelwise.serve.access import Access
from pixelwise.serve.gate import HELD_BODIES, Gate
from pixelwise.serve.guard import Guard
from pixelwise.serve.label import routes, training_routes
from pixelwise.serve.limits import Limits
from pixelwise.serve.metrics import Metrics
from pixelwise.serve.page import mount_page
from pixelwise.serve.service import Service
from pixelwise.serve.work import Workers

PAGE = "label/index.html"
"""The page, among the files of the server's pages."""


def create_label_app(
    project: Project,
    access: Access | None = None,
    limits: Limits | None = None,
    *,
    model: ModelProposals | None = None,
    train: Command | None = None,
) -> FastAPI:
    """Make the application that labels the pictures of a project.

    Masks are written a moment after strokes, and what is left of them when the application ends; the project is closed
    then.

    Args:
        project: the folder.
        access: who may ask; anybody who reaches the server by an address or as localhost unless given.
        limits: what is taken; the defaults unless given.
        model: proposes labels, beside strokes; pictures that it doubts most come first.
        train: gives the command that trains; that of ``pixelwise train`` by default.
    """
    limits, access = limits or Limits(), access or Access()
    workers = Workers(limits.queue)
    metrics = Metrics(
        queue_pixels=lambda: workers.waiting, queue_pictures=lambda: workers.pictures, queue_most=limits.queue
    )
    gate = Gate(most_held=HELD_BODIES * limits.max_bytes)
    saver = Saver(project)

    def adopt(found: ModelProposals) -> None:
        """Let a model propose from now on, and look at the pictures."""
        if app.state.doubts is not None:
            app.state.doubts.close()
        app.state.model, app.state.doubts = found, Doubts(project, found)
        app.state.doubts.start()

    def trained(run: Path) -> None:
        adopt(ModelProposals(Predictor(run), project.space))

    training = Training(project.folder, trained, train) if train is not None else Training(project.folder, trained)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        saver.start()
        if model is not None:
            adopt(model)
        yield
        await asyncio.to_thread(training.stop)
        if app.state.doubts is not None:
            await asyncio.to_thread(app.state.doubts.close)
        await asyncio.to_thread(saver.close)
        workers.close()
        project.close()

    app = FastAPI(
        title="pixelwise label", version=__version__, docs_url=None, redoc_url=None, openapi_url=None, lifespan=lifespan
    )
    app.state.service = Service({}, limits, workers, metrics)
    app.state.gate = gate
    app.state.project = project
    app.state.saver = saver
    app.state.proposer = Proposer(project)
    app.state.model = model
    app.state.doubts = None
    app.state.training = training
    app.include_router(routes.router)
    app.include_router(training_routes.router)
    app.include_router(health.router)
    mount_page(app, index=PAGE)
    problems.install(app)
    app.add_middleware(
        Guard, access=access, gate=gate, metrics=metrics, limit_of=lambda path: ("max_bytes", limits.max_bytes)
    )
    return app
