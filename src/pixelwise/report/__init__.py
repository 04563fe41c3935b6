"""Self-contained pages: how well a model does and where it fails, and what was noticed about a data set."""

from pixelwise.report.page import write_report

__all__ = ["write_report"]
