"""The predictor: a picture in, its labels out."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

import numpy as np
from numpy.typing import NDArray

from pixelwise.errors import SettingError, unknown_name
from pixelwise.inference.pictures import Picture, as_image, as_rgb
from pixelwise.inference.prediction import Prediction
from pixelwise.types import LabelSpace, Preprocessing

if TYPE_CHECKING:
    from pixelwise.models import SegmentationModel

RUNTIMES = ("torch",)


class Runtime(Protocol):
    """What computes: takes uint8 images (C, H, W), gives numpy arrays."""

    label_space: LabelSpace
    preprocessing: Preprocessing

    def labels(self, image: NDArray[np.uint8]) -> NDArray[np.integer[Any]]:
        """Class indices (H, W)."""
        ...

    def probabilities(self, image: NDArray[np.uint8]) -> tuple[NDArray[np.integer[Any]], NDArray[np.float32]]:
        """Class indices (H, W) and the softmax (K, H, W)."""
        ...

    def confusion(self, image: NDArray[np.uint8], mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Counts (K, K) by ``[target, prediction]``."""
        ...


class Predictor:
    """Labels pictures of any size with a trained model.

    Labels come straight from the coarse logits: scores of all classes never exist at full size, unless probabilities
    are asked for.

    Args:
        model: a model, which is moved to the device and put in evaluation mode; or a model file or run folder.
        device: ``"auto"`` (CUDA, else Apple's GPU, else the CPU), ``"cpu"``, ``"cuda"``, ``"cuda:1"``, ``"mps"``.
        runtime: what computes; ``"auto"`` or ``"torch"``.
        precision: ``"auto"`` (bfloat16 where the device computes in it), ``"bfloat16"`` or ``"float32"``.

    Raises:
        ModelError: there is no such file, or it is no pixelwise model.
        SettingError: no such device, runtime or precision.
    """

    def __init__(
        self,
        model: SegmentationModel | str | Path,
        *,
        device: str = "auto",
        runtime: str = "auto",
        precision: str = "auto",
    ) -> None:
        if runtime not in ("auto", *RUNTIMES):
            raise SettingError(unknown_name("runtime", runtime, ("auto", *RUNTIMES)))
        # Imported here, so that importing the predictor does not wait for torch.
        from pixelwise.inference.torch_runtime import TorchRuntime

        self.runtime: Runtime = TorchRuntime(model, device=device, precision=precision)

    @property
    def label_space(self) -> LabelSpace:
        """The classes of the model, and how masks of its data encode them."""
        return self.runtime.label_space

    @property
    def preprocessing(self) -> Preprocessing:
        """How pictures are brought to what the model was trained on."""
        return self.runtime.preprocessing

    def __call__(self, picture: Picture, *, probabilities: bool = False) -> Prediction:
        """Label every pixel of a picture.

        Args:
            picture: a file; a uint8 array (H, W) or (H, W, C), RGB order; or a PIL image.
            probabilities: whether to keep the probability of each class, K x H x W floats.

        Raises:
            DataError: the picture cannot be read, or has channels that the model was not trained on.
        """
        image = as_image(picture, self.preprocessing)
        softmax = None
        if probabilities:
            labels, softmax = self.runtime.probabilities(image)
        else:
            labels = self.runtime.labels(image)
        return Prediction(
            labels.astype(self.label_space.dtype, copy=False), self.label_space, True, softmax, as_rgb(image)
        )

    def confusion(self, picture: Picture, mask: NDArray[np.integer[Any]]) -> NDArray[np.int64]:
        """Count how the labels of a picture compare with its mask, without keeping the labels.

        Args:
            picture: as for a call.
            mask: (H, W) class indices and ignore values of the model's label space.

        Returns:
            int64 (K, K), pixels by ``[target, prediction]``; ignored pixels are not counted.

        Raises:
            DataError: as for a call, or the mask holds a value outside the label space.
            SettingError: the mask has another size than the picture.
        """
        image = as_image(picture, self.preprocessing)
        if mask.shape != image.shape[1:]:
            raise SettingError(f"the mask is {mask.shape} but the picture {image.shape[1:]} (height, width)")
        return self.runtime.confusion(image, mask)
