"""The report: one self-contained page that says how well a model does, where it fails, and how it came about."""

from pixelwise.report.page import write_report

__all__ = ["write_report"]
