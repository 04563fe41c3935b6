"""Parts of networks that find objects: proposals, reading regions from feature maps, heads, and their losses."""

from pixelwise.detection.result import Detections, to_instances

__all__ = ["Detections", "to_instances"]
