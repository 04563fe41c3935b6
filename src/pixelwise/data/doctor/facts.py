"""What one picture and its mask are like, found by decoding both once."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass

import cv2
import numpy as np
from numpy.typing import NDArray

from pixelwise.data.pairs import Pair
from pixelwise.data.targets import read_target
from pixelwise.errors import DataError
from pixelwise.instances import Size
from pixelwise.io.images import image_info, read_image
from pixelwise.types import LabelSpace

THUMBNAIL_SIDE = 32
"""Side in pixels of the small grey picture that pictures are compared by."""


@dataclass(frozen=True, eq=False)
class Facts:
    """What a pair is like.

    Args:
        id: of the pair.
        error: why it cannot be used; empty where it can. Nothing else is known then.
        size: height and width in pixels.
        channels: numbers for each pixel of the picture.
        bits: of each number.
        digest: tells files of the same bytes.
        phash: 64 bits that hardly change with size, light and compression (DCT of the thumbnail, above its median).
        thumbnail: float32 (32, 32), grey, of mean 0 and length 1.
        pixels: int64 (K,), pixels of each class, ignored ones left out; None where no mask is read.
        plain: whether all pixels of the picture are alike.
    """

    id: str
    error: str = ""
    size: Size = (0, 0)
    channels: int = 0
    bits: int = 0
    digest: str = ""
    phash: int = 0
    thumbnail: NDArray[np.float32] | None = None
    pixels: NDArray[np.int64] | None = None
    plain: bool = False


def gather(pair: Pair, label_space: LabelSpace | None) -> Facts:
    """Read a picture and its mask, and say what they are like.

    Args:
        pair: the picture.
        label_space: how its mask is read; None where that is not known.
    """
    try:
        info = image_info(pair.image)
        image = read_image(pair.image, channels=1 if info.channels in (1, 3) else info.channels)
        pixels = None
        if label_space is not None:
            mask = read_target(pair, label_space)
            counts = np.bincount(mask.reshape(-1), minlength=len(label_space))[: len(label_space)]
            pixels = counts.astype(np.int64)
        elif pair.objects is not None:
            pair.objects.read()
        content = pair.image.read_bytes()
    except DataError as error:
        return Facts(pair.id, str(error))
    plain = bool(image.min() == image.max())
    small = cv2.resize(image[0].astype(np.float32), (THUMBNAIL_SIDE, THUMBNAIL_SIDE), interpolation=cv2.INTER_AREA)
    low = cv2.dct(small)[:8, :8]
    bits = (low > np.median(low)).reshape(-1)
    phash = int("".join("1" if bit else "0" for bit in bits), 2)
    centred = small - small.mean()
    thumbnail = np.asarray(centred / max(float(np.linalg.norm(centred)), 1e-6), np.float32)
    digest = hashlib.sha256(content).hexdigest()
    return Facts(pair.id, "", info.size, info.channels, info.bits, digest, phash, thumbnail, pixels, plain)
