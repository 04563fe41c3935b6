"""The examples that the description of the service (``/openapi.json``) holds."""

from __future__ import annotations

from typing import Any

_BYTES = {"schema": {"type": "string", "format": "binary"}}

CLASSES = [
    {"index": 0, "name": "background", "color": "#000000", "background": True},
    {"index": 1, "name": "leaf", "color": "#3ddb5c", "background": False},
]

CARD = {
    "kind": "semantic",
    "architecture": "unet",
    "encoder": "resnet18",
    "classes": CLASSES,
    "ignore_index": 255,
    "channels": 3,
    "numbers": "8 bits (uint8)",
    "object_rule": {"score": 0.5, "min_area": 0},
    "training": {"pictures": 367, "steps": 2000, "scores": {"miou": 0.71}},
}

SUMMARY = {
    "size": {"height": 360, "width": 480},
    "classes": [
        {"index": 0, "name": "background", "color": "#000000", "pixels": 160800, "share": 0.9305555555555556},
        {"index": 1, "name": "leaf", "color": "#3ddb5c", "pixels": 12000, "share": 0.06944444444444445},
    ],
    "no_data": 0,
    "objects": [
        {
            "id": 1,
            "class": "leaf",
            "color": "#3ddb5c",
            "score": 0.974102,
            "box": [120.0, 40.0, 260.0, 170.0],
            "area": 12000.0,
        }
    ],
    "exact": True,
    "seam_error": None,
}

PROBLEM = {
    "type": "about:blank",
    "title": "Unprocessable Content",
    "status": 422,
    "detail": "file: the picture is damaged or cut short (image file is truncated); replace or remove it",
    "argument": "file",
}


def _json(example: object, media_type: str = "application/json") -> dict[str, Any]:
    return {media_type: {"schema": {"type": "object"}, "example": example}}


MODELS: dict[int | str, dict[str, Any]] = {
    200: {"description": "The models.", "content": _json({"models": [{"name": "leaves", "card": CARD}]})}
}

PREDICTED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "The output, as the command predict writes it. Coordinates are pixels; in geojson those of the "
        "map where a TIFF lies on the Earth.",
        "content": {
            **_json(SUMMARY),
            "image/png": _BYTES,
            "image/jpeg": _BYTES,
            "application/x-npy": _BYTES,
            "application/geo+json": {"schema": {"type": "object"}},
            "application/vnd.coco+json": {"schema": {"type": "object"}},
            "text/csv": {"schema": {"type": "string"}},
        },
    }
}

PROBLEMS: dict[int | str, dict[str, Any]] = {
    status: {"description": what, "content": _json({**PROBLEM, **more}, "application/problem+json")}
    for status, what, more in (
        (404, "There is no such model.", {"title": "Not Found", "status": 404, "argument": "model"}),
        (413, "The picture is too large.", {"title": "Content Too Large", "status": 413, "argument": "max_pixels"}),
        (415, "It is no picture.", {"title": "Unsupported Media Type", "status": 415}),
        (422, "The picture or an argument cannot be used.", {}),
        (503, "The queue is full.", {"title": "Service Unavailable", "status": 503, "argument": "queue"}),
    )
}

PICTURE_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "string", "format": "binary"}},
                }
            },
            **dict.fromkeys(("image/jpeg", "image/png", "image/webp", "image/tiff"), _BYTES),
        },
    }
}
