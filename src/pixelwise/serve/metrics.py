"""Figures of a running server, in the format that Prometheus reads."""

from __future__ import annotations

from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.types import Scope

METRICS_TYPE = CONTENT_TYPE_LATEST

_SECONDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0)
_METHODS = ("GET", "HEAD", "POST", "DELETE", "OPTIONS")


class Metrics:
    """The figures of one server.

    Args:
        queue_pixels: gives the pixels that wait or are computed.
        queue_pictures: gives the pictures that do.
        queue_most: pixels that may wait.
    """

    def __init__(
        self, *, queue_pixels: Callable[[], float], queue_pictures: Callable[[], float], queue_most: int
    ) -> None:
        self._registry = CollectorRegistry()
        self._requests = self._counter("requests", "Answers", "path", "method", "status")
        self._seconds = self._histogram("request_seconds", "Seconds from a request to its answer", "path")
        self._pictures = self._counter("pictures", "Pictures that were labelled", "model", "output")
        self._pixels = self._counter("pixels", "Pixels that were labelled", "model")
        self._computing = self._histogram("compute_seconds", "Seconds of computing a picture", "model")
        self._left = self._counter("left", "Requests whose sender left before the answer")
        for name, what, read in (
            ("queue_pixels", "Pixels that wait or are computed", queue_pixels),
            ("queue_pictures", "Pictures that wait or are computed", queue_pictures),
            ("queue_limit_pixels", "Pixels that may wait", lambda: queue_most),
        ):
            self.gauge(name, what, read)

    def answered(self, scope: Scope, status: int, seconds: float) -> None:
        """Count an answer; addresses are those of the description, so that no sender makes new ones."""
        path = getattr(scope.get("route"), "path", None) or "other"
        method = scope["method"] if scope["method"] in _METHODS else "other"
        self._requests.labels(path, method, str(status)).inc()
        self._seconds.labels(path).observe(seconds)

    def labelled(self, model: str, output: str, pixels: int) -> None:
        """Count a picture."""
        self._pictures.labels(model, output).inc()
        self._pixels.labels(model).inc(pixels)

    def computed(self, model: str, seconds: float) -> None:
        """Count the time of computing a picture."""
        self._computing.labels(model).observe(seconds)

    def left(self) -> None:
        """Count a sender that left."""
        self._left.inc()

    def text(self) -> bytes:
        """Write all figures."""
        return generate_latest(self._registry)

    def gauge(self, name: str, what: str, read: Callable[[], float]) -> None:
        """Add a figure that is read when it is asked for."""
        Gauge(f"pixelwise_{name}", what, registry=self._registry).set_function(read)

    def _counter(self, name: str, what: str, *labels: str) -> Counter:
        return Counter(f"pixelwise_{name}", what, labels, registry=self._registry)

    def _histogram(self, name: str, what: str, *labels: str) -> Histogram:
        return Histogram(f"pixelwise_{name}", what, labels, registry=self._registry, buckets=_SECONDS)
