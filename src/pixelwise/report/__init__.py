"""The report: one self-contained page that says how well a model does, where it fails, and how it came about."""

from pixelwise.report.examples import Example, make_example, make_examples
from pixelwise.report.page import write_report

__all__ = ["Example", "make_example", "make_examples", "write_report"]
