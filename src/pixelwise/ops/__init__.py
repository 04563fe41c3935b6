"""Operators on tensors; each has a plain torch form, and a native or Triton kernel where that pays."""

from pixelwise.ops.confusion import confusion_counts as confusion_counts
from pixelwise.ops.depthwise import depthwise_conv2d as depthwise_conv2d
from pixelwise.ops.tail import upsample_argmax as upsample_argmax
from pixelwise.ops.tail import upsample_confusion as upsample_confusion
from pixelwise.ops.tail import upsample_cross_entropy as upsample_cross_entropy
