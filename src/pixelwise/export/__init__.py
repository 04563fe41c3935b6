"""Writing a trained model as one file that other libraries run, checked against the model when it is written."""

from pixelwise.export.exporting import Exported as Exported
from pixelwise.export.exporting import export_model as export_model
