"""Whether a server is alive, whether it takes work, and its figures."""

from __future__ import annotations

from fastapi import APIRouter, Request, Response

from pixelwise.serve.gate import Gate
from pixelwise.serve.metrics import METRICS_TYPE, Metrics

router = APIRouter()


@router.get("/healthz", summary="Whether the server is alive")
async def healthz() -> dict[str, str]:
    """Answer as long as the process does."""
    return {"status": "alive"}


@router.get("/readyz", summary="Whether the server takes work")
async def readyz(request: Request) -> dict[str, str]:
    """Answer with 503 while the server ends and finishes what it has."""
    gate: Gate = request.app.state.gate
    gate.check_open()
    return {"status": "ready"}


@router.get("/metrics", summary="Figures for Prometheus", response_class=Response)
async def metrics(request: Request) -> Response:
    """Write the figures of the server as text."""
    figures: Metrics = request.app.state.service.metrics
    return Response(figures.text(), media_type=METRICS_TYPE)
