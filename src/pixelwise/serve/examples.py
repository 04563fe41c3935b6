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

_JOB = {
    "id": "0f8b2c1d4e5f60718293a4b5c6d7e8f9",
    "model": "leaves",
    "name": "field.tif",
    "outputs": ["labels", "summary"],
    "state": "running",
    "progress": 0.25,
    "seconds_left": 93.5,
    "created": 1796025600.0,
    "ended": None,
    "expires": None,
    "error": None,
    "result": None,
}

JOB: dict[str, Any] = {"description": "The job.", "content": _json(_JOB)}

JOB_TAKEN: dict[str, Any] = {
    "description": "The job was taken; `Location` is where it can be seen.",
    "content": _json({**_JOB, "state": "waiting", "progress": 0.0, "seconds_left": None}),
}

JOB_RESULT: dict[int | str, dict[str, Any]] = {
    200: {"description": "The output, as a file.", "content": {"image/tiff": _BYTES, "image/png": _BYTES}},
    404: PROBLEMS[404],
    409: {
        "description": "The job is not done yet.",
        "content": _json({**PROBLEM, "title": "Conflict", "status": 409, "argument": "id"}, "application/problem+json"),
    },
    410: {
        "description": "The job was cancelled.",
        "content": _json({**PROBLEM, "title": "Gone", "status": 410, "argument": "id"}, "application/problem+json"),
    },
}

BATCH_LINES = (
    '{"index": 0, "name": "a.jpg", "output": "summary", "media_type": "application/json", "result": {}}\n'
    '{"index": 1, "name": "b.jpg", "error": {"title": "Unprocessable Content", "status": 422, "argument": "file"}}\n'
)

BATCHED: dict[int | str, dict[str, Any]] = {
    200: {
        "description": "A line of JSON for each picture, in their order, as soon as it is done: `result`, `text` or "
        "`base64` by the type of the output, or `error`.",
        "content": {"application/x-ndjson": {"schema": {"type": "string"}, "example": BATCH_LINES}},
    }
}

BATCH_BODY: dict[str, Any] = {
    "requestBody": {
        "required": True,
        "content": {
            "multipart/form-data": {
                "schema": {
                    "type": "object",
                    "required": ["file"],
                    "properties": {"file": {"type": "array", "items": {"type": "string", "format": "binary"}}},
                }
            },
            "application/zip": _BYTES,
        },
    }
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
