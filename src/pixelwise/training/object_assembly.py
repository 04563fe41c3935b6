"""From settings to the parts of a run that learns objects: the data, the pictures, the crops."""

from __future__ import annotations

from pixelwise.data.crops.object_cache import ObjectCache
from pixelwise.data.crops.object_crops import ObjectCrops, ObjectPictures, collate_objects
from pixelwise.data.source import DataSource
from pixelwise.errors import DataError
from pixelwise.models.mask_rcnn import DetectionModel
from pixelwise.training.assembly import make_augmentation
from pixelwise.training.settings import Settings
from pixelwise.training.stream import Stream

ObjectCaches = tuple[ObjectCache, ObjectCache]
"""Training and validation pictures."""


def objects_of_source(source: DataSource) -> DataSource:
    """Give the data to networks that find objects, as it is.

    Raises:
        DataError: it has no objects.
    """
    if not source.has_objects:
        raise DataError(
            f"{source.root}: the masks say which class a pixel has, not which object it belongs to, so mask_rcnn and "
            "faster_rcnn cannot learn from them; annotate objects (COCO JSON, or images/ and instance_masks/ with an "
            "id for each object), or choose a model such as unet"
        )
    return source


def open_object_caches(source: DataSource, settings: Settings) -> ObjectCaches:
    """Caches for the training and the validation pictures; they share the memory by their number."""
    train, val = source.split("train"), source.split("val")
    first, second = (
        ObjectCache(
            pairs,
            channels=settings.in_channels,
            value_range=settings.value_range,
            budget_bytes=settings.cache_bytes * len(pairs) // (len(train) + len(val)),
            maps=pairs is train,
        )
        for pairs in (train, val)
    )
    return first, second


def make_object_stream(settings: Settings, caches: ObjectCaches, model: DetectionModel) -> Stream:
    """What a run of these settings reads; beyond pictures lies the colour that the model pads with."""
    crops = ObjectCrops(
        caches[0],
        make_augmentation(settings),
        length=settings.steps * settings.batch,
        seed=settings.seed,
        fill=[255 * value for value in model.preprocessing.mean],
        object_probability=settings.rare_class_probability,
    )
    return Stream(crops, ObjectPictures(caches[1]), settings, collate=collate_objects)
