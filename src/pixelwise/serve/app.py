"""The application: models, limits and addresses put together."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path

from fastapi import FastAPI
from starlette.middleware.cors import CORSMiddleware

from pixelwise import __version__
from pixelwise.inference.predictor import Predictor
from pixelwise.serve import health, job_routes, problems, routes
from pixelwise.serve.access import Access
from pixelwise.serve.gate import HELD_BODIES, Gate
from pixelwise.serve.guard import Guard
from pixelwise.serve.job_store import JobStore
from pixelwise.serve.jobs import Jobs
from pixelwise.serve.limits import Limits
from pixelwise.serve.metrics import Metrics
from pixelwise.serve.page import mount_page
from pixelwise.serve.service import Service
from pixelwise.serve.work import Workers


def create_app(
    models: Mapping[str, Predictor],
    limits: Limits | None = None,
    access: Access | None = None,
    *,
    state: Path | None = None,
) -> FastAPI:
    """Make the application that serves models.

    Args:
        models: the predictor of each model, by the name that it is served under.
        limits: what is taken; the defaults unless given.
        access: who may ask; anybody who reaches the server by an address or as localhost unless given.
        state: the folder of jobs, which go on after a restart; None: jobs end with the application.

    Raises:
        SettingError: the folder of jobs cannot be used, or another server uses it.
    """
    limits, access = limits or Limits(), access or Access()
    workers = Workers(limits.queue)
    metrics = Metrics(
        queue_pixels=lambda: workers.waiting, queue_pictures=lambda: workers.pictures, queue_most=limits.queue
    )
    gate = Gate(most_held=HELD_BODIES * limits.max_bytes)

    jobs = Jobs(JobStore(state), models, workers)
    metrics.gauge("jobs", "Jobs that wait, run or arrive", lambda: jobs.waiting)

    @asynccontextmanager
    async def lifespan(_: FastAPI) -> AsyncIterator[None]:
        jobs.start()  # with those that were not done when the server ended
        yield
        await asyncio.to_thread(jobs.close)
        workers.close()

    app = FastAPI(
        title="pixelwise",
        version=__version__,
        summary="Every pixel its class: send a picture, get what is in it.",
        docs_url=None,  # its page would load scripts from another host
        redoc_url=None,
        lifespan=lifespan,
    )
    app.state.service = Service(dict(models), limits, workers, metrics)
    app.state.gate = gate
    app.state.jobs = jobs
    app.include_router(routes.router)
    app.include_router(job_routes.router)
    app.include_router(health.router)
    mount_page(app)
    problems.install(app)
    app.add_middleware(
        Guard,
        access=access,
        gate=gate,
        metrics=metrics,
        limit_of=lambda path: (
            ("job_bytes", limits.job_bytes) if path == "/v1/jobs" else ("max_bytes", limits.max_bytes)
        ),
    )
    if access.cors:
        app.add_middleware(
            CORSMiddleware,
            allow_origins=list(access.cors),
            allow_methods=["GET", "POST", "DELETE"],
            allow_headers=["Authorization", "Content-Type"],
        )
    return app
