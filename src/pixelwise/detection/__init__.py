"""What finds objects: proposals, the operation that reads a region off feature maps, heads, and their losses."""

from pixelwise.detection.result import Detections, to_instances

__all__ = ["Detections", "to_instances"]
