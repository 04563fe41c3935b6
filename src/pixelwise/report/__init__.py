"""The report: one self-contained page that says how well a model does, where it fails, and how it came about."""

from pixelwise.report.example import Example
from pixelwise.report.examples import make_example, make_examples
from pixelwise.report.object_examples import make_object_example
from pixelwise.report.page import write_report

__all__ = ["Example", "make_example", "make_examples", "make_object_example", "write_report"]
