"""Parts of networks that find objects: proposals, reading regions from feature maps, heads, and their losses.

Operations of torchvision are imported in the functions that use them: torchvision takes longer to import than torch,
and networks that label pixels do without it.
"""

from pixelwise.detection.result import Detections, to_instances

__all__ = ["Detections", "to_instances"]
