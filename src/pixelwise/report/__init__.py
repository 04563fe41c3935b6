"""Self-contained pages: the report of how well a model does and where it fails, and the findings about a data set."""

from pixelwise.report.page import write_report

__all__ = ["write_report"]
