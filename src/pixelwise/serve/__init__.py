"""A server that labels pictures over HTTP; it hands the computing to a predictor and imports no torch itself."""

from pixelwise.serve.access import Access
from pixelwise.serve.app import create_app
from pixelwise.serve.limits import Limits

__all__ = ["Access", "Limits", "create_app"]
